"""What code in a box may ask: tell an event by `func.emit(type, data)`."""

from typing import Any

from django.conf import settings
from django.db import connection

from apps.core import leases
from apps.core.errors import Forbidden, LimitReached
from apps.functions.reader.literals import storable
from apps.runs.models import Run
from apps.triggers.events import BadEventData, chain_of, check_data, record_event, told_before
from apps.triggers.models import Event
from apps.triggers.types import PLATFORM, check_own_type

MAX_KEY = 100


class NobodyAgreed(Forbidden):
    code = "nobody_agreed"


class TooManyEvents(LimitReached):
    code = "too_many_events"


def emit_from_code(run: Run, payload: dict[str, Any]) -> str:
    """The verb: store an event told by a run's code, in whose chain it stands; gives its id.

    It is stored at once and stays when the run fails later. A run that is tried again tells it again, unless it gives it a key.

    Raises:
        NobodyAgreed, BadEventType, BadEventData, EventTooLarge, TooManyEvents, leases.LeaseLost
    """
    if run.function.task_id is not None:
        raise NobodyAgreed("A tool that a task keeps for itself tells no events: rules act with the rights of others.")
    name, data, key = check_own_type(str(payload.get("type", ""))), check_data(payload.get("data", {})), _key(run, payload)
    leases.assert_held(run)
    if key and (earlier := told_before(key)):
        return str(earlier.pk)
    _check_count(run)
    event = record_event(
        type=name, source=f"/functions/{run.function.name}", subject=str(run.pk), data=data, function=run.function, run=run,
        chain=chain_of(run), key=key,
    )  # fmt: skip
    return str(event.pk)


def _key(run: Run, payload: dict[str, Any]) -> str | None:
    """The code's own key holds within its run."""
    given = payload.get("key") or None
    if given is not None and not (isinstance(given, str) and storable(given) and len(given) <= MAX_KEY):
        raise BadEventData(f"The key of an event is a text of up to {MAX_KEY} characters.")
    return f"code {run.pk} {given}" if given else None


def _check_count(run: Run) -> None:
    """Events of one run follow one another here, so that none goes over the count."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"events {run.pk}"])
    most = settings.TRIGGER_EVENTS_PER_RUN
    if Event.objects.filter(run=run).exclude(type__in=PLATFORM)[:most].count() >= most:
        raise TooManyEvents(f"One run may tell {most} events, and this one has.")
