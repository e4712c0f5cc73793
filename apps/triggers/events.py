"""Store an event in the transaction of what happened, and beside it a delivery for each rule that waits for its like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from apps.core.canonical import canonical_json
from apps.core.dispatch import wake
from apps.core.errors import Invalid, TooLarge
from apps.core.tenancy import current_workspace_id
from apps.functions.arguments import find_unkeepable
from apps.functions.models import Function
from apps.runs.models import Run
from apps.triggers.models import Delivery, Event, Rule, Webhook
from apps.triggers.states import DeliveryKind, DeliveryState
from apps.workspaces.models import Membership

MAX_DATA_BYTES = 64 * 1024
WORK = "triggers"


class BadEventData(Invalid):
    code = "bad_event_data"


class EventTooLarge(TooLarge):
    code = "event_too_large"


@dataclass(frozen=True)
class Chain:
    """Where an event stands: under which first event, and how many rules below it."""

    root_id: UUID | None = None
    depth: int = 0


BEGINNING = Chain()


def chain_of(run: Run) -> Chain:
    """Where an event stands that a run brings about: below the event that a rule started the run for, if one did.

    A run that another run's code started stands where the first of its family does.
    """
    above = Delivery.objects.filter(run_id=run.root_id or run.pk).values_list("root_id", "event__depth").first()
    return Chain(above[0], above[1] + 1) if above else BEGINNING


def check_data(data: object) -> dict[str, Any]:
    """The data of an event that people or code tell.

    Raises:
        BadEventData, EventTooLarge
    """
    if not isinstance(data, dict):
        raise BadEventData("The data of an event must be an object: names with their values.")
    if unkeepable := find_unkeepable(data):
        path, sentence = next(iter(unkeepable.items()))
        raise BadEventData(f"{path}: {sentence}" if path else sentence)
    size = len(canonical_json(data).encode())
    if size > MAX_DATA_BYTES:
        raise EventTooLarge(
            f"The data of an event may have {MAX_DATA_BYTES // 1024} KiB; these have {size // 1024 + 1} KiB. "
            "Store them as a file and name it."
        )
    return data


def told_before(key: str) -> Event | None:
    """The event that was told under this key, if one was. Whoever asks for the same key waits until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"event {current_workspace_id()} {key}"])
    return Event.objects.filter(key=key).first()


def record_event(
    *,
    type: str,  # noqa: A002  the word of the standard
    source: str,
    data: dict[str, Any],
    subject: str = "",
    function: Function | UUID | None = None,
    run: Run | None = None,
    webhook: Webhook | None = None,
    chain: Chain = BEGINNING,
    emitted_by: Membership | None = None,
    replay_of: Event | None = None,
    key: str | None = None,
) -> Event:
    """Store an event of the workspace in scope, and queue it for every rule that waits for its like.

    Two statements however many rules there are, and three more when some wait for it. The caller has checked the data.
    """
    event = Event.objects.create(
        type=type,
        source=source[:300],
        subject=subject[:300],
        data=data,
        function_id=function.pk if isinstance(function, Function) else function,
        run=run,
        webhook=webhook,
        root_id=chain.root_id,
        depth=chain.depth,
        emitted_by=emitted_by,
        replay_of=replay_of,
        key=key,
    )
    deliver(event, list(Rule.objects.listening_to(event).values_list("pk", flat=True)))
    return event


def deliver(event: Event, rule_ids: Sequence[UUID], *, kind: DeliveryKind = DeliveryKind.MATCH) -> None:
    """Queue an event for rules. What cannot be queued is stored as refused, so that it is seen."""
    found = _kept(rule_ids) if rule_ids else []
    if not found:
        return
    reason = _why_not(event)
    state = {"state": DeliveryState.REFUSED, "finished_at": Now()} if reason else {"state": DeliveryState.QUEUED}
    Delivery.objects.bulk_create(
        [
            Delivery(event=event, rule_id=rule_id, kind=kind, root_id=event.root_id or event.pk, reason=reason, **state)
            for rule_id in found
        ]
    )
    if not reason:
        wake(WORK)


def _kept(rule_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the rules that still stand, and stand until the end of this transaction.

    Else one that somebody removes meanwhile would fail the transaction of what happened: a run's end, say. Events of one rule do
    not wait for each other here; whoever removes it waits for them.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM triggers_rule WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [list(rule_ids)])
        return [row[0] for row in cursor.fetchall()]


def _why_not(event: Event) -> str:
    """Why an event reaches no rule any more; empty when it does."""
    if event.depth >= settings.TRIGGER_DEPTH:
        return (
            f"This chain of rules is {event.depth} deep, and {settings.TRIGGER_DEPTH} is the most. "
            "Look for rules that start one another in a circle."
        )
    most = settings.TRIGGER_QUEUE
    if Delivery.objects.filter(state=DeliveryState.QUEUED)[:most].count() >= most:
        return f"{most} events wait for rules in this workspace, as many as may. Switch off the rule that brings so many."
    return ""
