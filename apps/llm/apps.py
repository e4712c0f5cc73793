"""Registers the testing of connections, which a worker does."""

from django.apps import AppConfig


class LlmConfig(AppConfig):
    name = "apps.llm"

    def ready(self) -> None:
        from apps.core.dispatch import register_work
        from apps.llm import connection
        from apps.llm.services import TEST_WORK

        register_work(
            TEST_WORK,
            step=connection.perform_next_test,
            sweep=connection.sweep_lost_tests,
            pending=connection.count_due_tests,
        )
