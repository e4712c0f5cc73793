"""What code in a box may ask: tell an event by `func.emit(type, data)`."""

from typing import Any

from django.conf import settings
from django.db import connection

from apps.core import leases
from apps.core.errors import Forbidden, LimitReached
from apps.runs.models import Run
from apps.triggers.events import chain_of, check_data, record_event
from apps.triggers.models import Event
from apps.triggers.types import PLATFORM, check_own_type


class NobodyAgreed(Forbidden):
    code = "nobody_agreed"


class TooManyEvents(LimitReached):
    code = "too_many_events"


def emit_from_code(run: Run, payload: dict[str, Any]) -> str:
    """The verb: store an event told by a run's code, in whose chain it stands; gives its id.

    It is stored at once and stays when the run fails later; a run that is tried again tells it again.

    Raises:
        NobodyAgreed, BadEventType, BadEventData, EventTooLarge, TooManyEvents, leases.LeaseLost
    """
    if run.function.task_id is not None:
        raise NobodyAgreed("A tool that a task keeps for itself tells no events: rules act with the rights of others.")
    name = check_own_type(str(payload.get("type", "")))
    data = check_data(payload.get("data", {}))
    leases.assert_held(run)
    _check_count(run)
    event = record_event(
        type=name, source=f"/functions/{run.function.name}", subject=str(run.pk), data=data, function=run.function, run=run,
        chain=chain_of(run),
    )  # fmt: skip
    return str(event.pk)


def _check_count(run: Run) -> None:
    """Events of one run follow one another here, so that none goes over the count."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"events {run.pk}"])
    most = settings.TRIGGER_EVENTS_PER_RUN
    if Event.objects.filter(run=run).exclude(type__in=PLATFORM)[:most].count() >= most:
        raise TooManyEvents(f"One run may tell {most} events, and this one has.")
