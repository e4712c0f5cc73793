"""Registers what the scheduler does for the operator in each of its rounds."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "apps.monitoring"

    def ready(self) -> None:
        from apps.core.dispatch import register_work
        from apps.monitoring import rounds

        register_work("monitoring", step=lambda: False, sweep=rounds.look_after_processes, pending=lambda: 0)
