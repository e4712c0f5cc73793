"""Registers the work of runs and what they listen to."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "apps.runs"

    def ready(self) -> None:
        from apps.core.dispatch import register_work
        from apps.core.events import on
        from apps.functions.activation import ask_before_activation
        from apps.functions.graph import register_part
        from apps.packages.collection import ask_before_removing
        from apps.runs import (
            arguments,
            attacks,
            boxes,
            bulk,
            children,
            compensation,
            examples,
            library,
            model_calls,
            orphans,
            reactions,
            work,
        )
        from apps.runs.environments import is_environment_needed
        from apps.runs.health import draw_health
        from apps.runs.requests import register_verb, register_waiting_verb

        register_work("runs", step=work.perform_next_run, sweep=work.sweep_runs, pending=work.count_due_runs)
        register_work("runs.boxes", step=boxes.sweep_boxes, sweep=lambda: 0, pending=boxes.sweep_is_due)
        register_work("runs.orphans", step=orphans.sweep_orphans, sweep=lambda: 0, pending=orphans.is_due)
        register_work(
            attacks.WORK, step=attacks.fire_next_round, sweep=attacks.sweep_lost_rounds, pending=attacks.count_due_rounds
        )
        register_work(bulk.WORK, step=bulk.perform_next_bulk, sweep=bulk.sweep_lost_bulk, pending=bulk.count_due_bulk)
        ask_before_removing(is_environment_needed)
        ask_before_activation(examples.refuse_unmet)
        register_part(draw_health)
        register_waiting_verb("runs.call", children.call_function)
        register_waiting_verb("models.complete", model_calls.complete_for_code)
        register_waiting_verb("models.embed", model_calls.embed_for_code)
        register_verb("functions.list", library.list_functions)
        register_verb("functions.read", library.read_function)
        register_verb("functions.versions", library.list_versions)
        on("run.finished", arguments.drop_sealed)
        on("run.finished", compensation.follow_end)
        on("packages.ready", reactions.queue_waiting_runs)
        on("packages.refused", reactions.refuse_waiting_runs)
        on("packages.failed", reactions.fail_waiting_runs)
        on("capabilities.granted", reactions.queue_granted_runs)
        on("capabilities.refused", reactions.refuse_ungranted_runs)
