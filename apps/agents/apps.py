"""Registers the work of tasks and what they listen to."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "apps.agents"

    def ready(self) -> None:
        from apps.agents import loop, reactions
        from apps.core.dispatch import register_work
        from apps.core.events import on

        register_work("tasks", step=loop.perform_next_task, sweep=loop.sweep_tasks, pending=loop.count_due_tasks)
        on("run.finished", reactions.tell_run)
        for name in ("packages.ready", "packages.refused", "packages.failed"):
            on(name, reactions.tell_packages)
        for name in ("capabilities.granted", "capabilities.refused"):
            on(name, reactions.tell_capabilities)
