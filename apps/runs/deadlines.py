"""Two of a run's four clocks: how long it may wait in the queue, and how long it may take altogether.

(The other two: an attempt's wall time, a limit of its version; and the lease.) All are told by the database's clock.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Now

from apps.core.errors import Invalid
from apps.core.tenancy import every_workspace, scope
from apps.runs import transitions
from apps.runs.models import Run
from apps.runs.states import RunState

LONGEST = timedelta(days=30)
LEAST_WALL_SECONDS = 0.05  # for an attempt that begins when the total time is all but over
ENDED_AT_ONCE = 100
_QUEUED = (RunState.QUEUED,)


class BadDeadline(Invalid):
    code = "bad_deadline"


def checked_time(what: str, seconds: float | None, usual: int) -> timedelta:
    """A clock's length from what a caller asked for, or the installation's usual.

    Raises:
        BadDeadline
    """
    if seconds is None:
        return timedelta(seconds=usual)
    if not 1 <= seconds <= LONGEST.total_seconds():
        raise BadDeadline(f"{what} must be from 1 second to {LONGEST.days} days, in seconds.")
    return timedelta(seconds=seconds)


def clocks(queue_seconds: float | None, total_seconds: float | None) -> dict[str, timedelta]:
    """The fields of a new run.

    Raises:
        BadDeadline
    """
    return {
        "queue_time": checked_time("The time in the queue", queue_seconds, settings.RUN_QUEUE_SECONDS),
        "total_time": checked_time("The total time", total_seconds, settings.RUN_TOTAL_SECONDS),
    }


def started_clocks(times: dict[str, timedelta]) -> dict[str, Any]:
    """The same and the deadlines, of a run that is queued as soon as it is written."""
    return {**times, "queue_deadline_at": Now() + times["queue_time"], "total_deadline_at": Now() + times["total_time"]}


def wall_seconds(run: Run, limit: float) -> float:
    """How long the next attempt may take: its version's limit, or what is left of the total time. Inside the run's scope."""
    left = ExpressionWrapper(F("total_deadline_at") - Now(), output_field=DurationField())
    rest: timedelta | None = Run.objects.filter(pk=run.pk).values_list(left, flat=True).get()
    return limit if rest is None else max(LEAST_WALL_SECONDS, min(limit, rest.total_seconds()))


def is_total_over(run: Run) -> bool:
    """Whether the total time has run out. Inside the run's scope."""
    return Run.objects.filter(pk=run.pk, total_deadline_at__lte=Now()).exists()


def allows_pause(run: Run, pause: timedelta) -> bool:
    """Whether an attempt after this pause would still begin within the total time. Inside the run's scope."""
    return not Run.objects.filter(pk=run.pk, total_deadline_at__lte=Now() + pause).exists()


def end_overdue_runs() -> int:
    """End runs that wait and whose queue or total time is over; gives how many."""
    with every_workspace(reason="finding runs that have waited longer than they may"):
        overdue = list(_overdue(Run.objects.filter(state__in=_QUEUED)).values_list("workspace_id", "pk")[:ENDED_AT_ONCE])
    return sum(_end(workspace_id, pk) for workspace_id, pk in overdue)


def total_over_message(run: Run) -> str:
    return f"Its total time of {in_words(run.total_time)} was over, with all attempts and pauses between them."


def in_words(time: timedelta | None) -> str:
    """An exact span of time for a sentence: “1 day, 2:00:00” reads badly, “26 h” does not."""
    seconds = (time or timedelta()).total_seconds()
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"


def _overdue(rows: QuerySet[Run]) -> QuerySet[Run]:
    return rows.filter(Q(queue_deadline_at__lte=Now()) | Q(total_deadline_at__lte=Now()))


def _end(workspace_id: Any, pk: Any) -> int:
    with scope(workspace_id):
        rows = _overdue(Run.objects.filter(pk=pk, state__in=_QUEUED)).annotate(now=Now())
        run = rows.select_for_update(no_key=True, skip_locked=True).first()
        if run is None:
            return 0
        if run.total_deadline_at and run.total_deadline_at <= run.now:
            ended = transitions.move(run, from_states=_QUEUED, to_state=RunState.TIMED_OUT, message=total_over_message(run))
        else:
            message = f"No worker was free for it within {in_words(run.queue_time)}, the longest that it may wait in the queue."
            ended = transitions.move(run, from_states=_QUEUED, to_state=RunState.EXPIRED, message=message)
        return int(ended)
