"""When an operator is called: each rule looks at the figures and says in one sentence what is wrong, or nothing."""

from collections.abc import Callable

from django.conf import settings

from apps.monitoring.measures import Measures
from apps.monitoring.models import ProcessKind

type Rule = Callable[[Measures], str]
MIB = 1024 * 1024


def queue_age(measures: Measures) -> str:
    """Work waits though somebody should be at it."""
    old = {kind: queue for kind, queue in measures.queues.items() if queue.age_seconds > settings.ALERT_QUEUE_SECONDS}
    if not old:
        return ""
    kind = max(old, key=lambda name: old[name].age_seconds)
    return (
        f"Work of the kind {kind} has waited for {old[kind].age_seconds / 60:.0f} minutes; {old[kind].due} pieces are due."
        " Are the workers at work, and are there enough of them?"
    )


def lost_runs(measures: Measures) -> str:
    """Runs ended without anybody knowing how."""
    if not measures.lost_lately:
        return ""
    return f"{measures.lost_lately} runs were lost within the last hour: their workers vanished. The logs of the workers say why."


def disk_space(measures: Measures) -> str:
    if measures.free_bytes >= settings.ALERT_FREE_MIB * MIB:
        return ""
    return f"Only {measures.free_bytes // MIB} MiB are free where the data lies. Files cannot be stored when it is full."


def no_worker(measures: Measures) -> str:
    if measures.living(ProcessKind.WORKER):
        return ""
    return "No worker is alive: runs, builds and tasks wait."


def scheduler_silent(measures: Measures) -> str:
    """Told by the workers, since a scheduler that hangs tells nothing."""
    if measures.living(ProcessKind.SCHEDULER):
        return ""
    return "No scheduler is alive: what dead workers left is not found again, and the audit trail is not sealed."


RULES: dict[str, Rule] = {rule.__name__: rule for rule in (queue_age, lost_runs, disk_space, no_worker, scheduler_silent)}
