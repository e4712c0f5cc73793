"""Registers the work of rules, what they listen to, and the verb by which code tells events."""

from django.apps import AppConfig


class TriggersConfig(AppConfig):
    name = "apps.triggers"

    def ready(self) -> None:
        from apps.core.dispatch import register_work
        from apps.core.events import on
        from apps.functions.archive import ask_before_archiving
        from apps.functions.graph import register_part
        from apps.runs.requests import register_verb
        from apps.triggers import events, graph, reactions, schedules, services, verbs, work

        register_work(
            events.WORK,
            step=work.perform_next_delivery,
            sweep=work.sweep_lost_deliveries,
            pending=work.count_due_deliveries,
        )
        register_work("triggers.schedules", step=lambda: False, sweep=schedules.tell_due_schedules, pending=lambda: 0)
        register_verb("events.emit", verbs.emit_from_code)
        register_part(graph.draw_rules, kinds=(graph.RULE,))
        ask_before_archiving(services.rules_that_need)
        on("run.finished", reactions.tell_run)
        on("artifacts.stored", reactions.tell_artifacts)
        on("function.version_saved", reactions.tell_version)
        on("function.version_activated", reactions.tell_activation)
        on("request.approved", reactions.tell_request)
        on("task.finished", reactions.tell_task)
