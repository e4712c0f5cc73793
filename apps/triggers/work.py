"""What a worker does with deliveries: claim the next, decide, start the run; and put back what a dead worker left.

The run is started in the transaction that ends the delivery, so one event starts one run at one rule, whatever dies between.
No transaction is open while expressions are evaluated.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from apps.core import leases
from apps.core.cel import ConditionUnclear
from apps.core.dispatch import MESSAGES_PER_LOOK
from apps.core.errors import DomainError, LimitReached, Unavailable
from apps.core.retries import Backoff, outlived_its_workers
from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion
from apps.runs.models import Run, RunTrigger
from apps.runs.services import start_run
from apps.triggers import mapping, transitions
from apps.triggers.models import Delivery, Rule
from apps.triggers.states import DeliveryKind, DeliveryState
from apps.workspaces.models import Membership

log = logging.getLogger(__name__)
LONGEST_WAIT = timedelta(hours=1)  # for a place among the runs of a rule; then it is refused, and that is seen
PAUSE = timedelta(seconds=5)
BACKOFF = Backoff(base=5, cap=60)
RATE_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True)
class Decision:
    """What becomes of a delivery. Started ones have the arguments; all others have the reason."""

    state: DeliveryState
    reason: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


def perform_next_delivery() -> bool:
    """Claim one delivery of any workspace and end it or put it back; False when none is due."""
    delivery = leases.claim(_oldest_first, from_state=DeliveryState.QUEUED, to_state=DeliveryState.WORKING)
    if delivery is None:
        return False
    try:
        _perform(delivery)
    except leases.LeaseLost:
        log.warning("triggers.lease_lost delivery=%s token=%s", delivery.pk, delivery.token)
    return True


def _oldest_first() -> QuerySet[Delivery]:
    return Delivery.objects.order_by("id")


def _perform(delivery: Delivery) -> None:
    """No heartbeat: this takes milliseconds. Whoever needs longer than a lease loses it and writes nothing."""
    _look_at(delivery)
    try:
        decision = _decide(delivery)
    except Unavailable as problem:
        _wait(delivery, problem.message, BACKOFF.pause(delivery.attempt))
        return
    with scope(delivery.workspace_id):
        leases.assert_held(delivery)
        if decision.state == DeliveryState.STARTED:
            _start(delivery, decision.arguments)
        else:
            transitions.leave(delivery, to_state=decision.state, reason=decision.reason)


def _look_at(delivery: Delivery) -> None:
    """Read what the decision needs. By its id, and not with the claim: that one must not look at all rules to find the next.

    Raises:
        leases.LeaseLost: its rule was removed, and it with the rule.
    """
    related = ("event", "rule__target__active_version", "rule__error_handler__active_version")
    with scope(delivery.workspace_id):
        found = Delivery.objects.select_related(*related).filter(pk=delivery.pk).first()
    if found is None:
        raise leases.LeaseLost("The rule was removed.")
    delivery.event, delivery.rule = found.event, found.rule


def _decide(delivery: Delivery) -> Decision:
    """By the event and the rule alone.

    Raises:
        Unavailable: nothing can be decided just now.
    """
    rule, event = delivery.rule, delivery.event.as_cloudevent()
    if delivery.kind == DeliveryKind.ERROR:
        return Decision(DeliveryState.STARTED, arguments={mapping.HANDED_TO_HANDLER: event})
    try:
        if delivery.kind == DeliveryKind.MATCH:
            if not rule.is_active:
                return Decision(DeliveryState.REFUSED, "The rule was switched off before its turn came.")
            if not mapping.holds(rule.condition, event):
                return Decision(DeliveryState.SKIPPED, "The condition does not hold for this event.")
        return Decision(DeliveryState.STARTED, arguments=mapping.arguments_for(rule.arguments, event))
    except (ConditionUnclear, mapping.ExpressionsInvalid) as problem:
        return Decision(DeliveryState.FAILED, problem.message)


def _start(delivery: Delivery, arguments: dict[str, Any]) -> None:
    """Start the run within the limits of rule and chain, in the same transaction as the delivery's end."""
    _one_at_a_time(delivery)
    if refusal := _over_limit(delivery):
        transitions.leave(delivery, to_state=DeliveryState.REFUSED, reason=refusal)
    elif delivery.kind != DeliveryKind.ERROR and _is_rule_busy(delivery.rule):
        _wait_in_scope(delivery, f"{delivery.rule.most_running} runs of this rule are going on, as many as may.", PAUSE)
    else:
        _start_as_owner(delivery, arguments)


def _start_as_owner(delivery: Delivery, arguments: dict[str, Any]) -> None:
    try:
        with scope(delivery.workspace_id):  # a savepoint: a refusal leaves nothing half stored
            run = start_run(
                actor=_owner(delivery.rule), version=_version(delivery), arguments=arguments, trigger=_trigger_of(delivery)
            )
    except LimitReached as full:
        _wait_in_scope(delivery, full.message, BACKOFF.pause(delivery.attempt))
    except DomainError as problem:
        transitions.leave(delivery, to_state=DeliveryState.FAILED, reason=problem.message)
    else:
        transitions.leave(delivery, to_state=DeliveryState.STARTED, run=run, reason="")
        log.info("triggers.started delivery=%s run=%s", delivery.pk, run.pk)


def _trigger_of(delivery: Delivery) -> RunTrigger:
    """A rule that hears of a schedule only passes on that it is time."""
    is_time = delivery.kind == DeliveryKind.MATCH and delivery.event.type.startswith("schedule.")
    return RunTrigger.SCHEDULE if is_time else RunTrigger.RULE


class OwnerGone(DomainError):
    """Nobody stands for the rule any more."""

    code = "owner_gone"
    status = 403


class NoActiveVersion(DomainError):
    code = "no_active_version"
    status = 409


def _owner(rule: Rule) -> Membership:
    """Whoever saved the rule last, with the rights that they have now."""
    members = Membership.objects.select_related("user").filter(user__is_active=True)
    owner = members.filter(pk=rule.owner_id).first() if rule.owner_id else None
    if owner is None:
        raise OwnerGone("Whoever saved this rule last is no member here any more. Save it anew to stand for it yourself.")
    return owner


def _version(delivery: Delivery) -> FunctionVersion:
    rule = delivery.rule
    function: Function | None = rule.error_handler if delivery.kind == DeliveryKind.ERROR else rule.target
    version = function.active_version if function else None
    if function is None or version is None:
        raise NoActiveVersion("The function that this rule runs has no active version.")
    version.function = function
    return version


def _one_at_a_time(delivery: Delivery) -> None:
    """Until the end of the transaction, for a rule and a chain: always in this order, so that two never wait for each other."""
    with connection.cursor() as cursor:
        for name in (f"rule {delivery.rule_id}", f"chain {delivery.root_id}"):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _over_limit(delivery: Delivery) -> str:
    """Which limit is reached, in a sentence; empty when none is."""
    most = settings.TRIGGER_CHAIN_RUNS
    if Delivery.objects.started().filter(root_id=delivery.root_id)[:most].count() >= most:
        return f"This chain has started {most} runs, as many as one may. Look for rules that start one another without end."
    most = delivery.rule.most_per_minute
    lately = Delivery.objects.started().filter(rule=delivery.rule, kind=delivery.kind, finished_at__gt=Now() - RATE_WINDOW)
    if lately[:most].count() >= most:
        return (
            f"This rule has started {most} runs in a minute, as many as it may. Raise its limit, or make its condition narrower."
        )
    return ""


def _is_rule_busy(rule: Rule) -> bool:
    going_on = Run.objects.open().filter(deliveries__rule=rule)
    return going_on[: rule.most_running].count() >= rule.most_running


def _wait(delivery: Delivery, reason: str, pause: timedelta) -> None:
    with scope(delivery.workspace_id):
        _wait_in_scope(delivery, reason, pause)


def _wait_in_scope(delivery: Delivery, reason: str, pause: timedelta) -> None:
    """Put it back for a while; for an hour in all, then it is refused."""
    is_old = Delivery.objects.filter(pk=delivery.pk, created_at__lt=Now() - LONGEST_WAIT).exists()
    if is_old:
        transitions.leave(delivery, to_state=DeliveryState.REFUSED, reason=f"{reason} It has waited for an hour.")
    else:
        transitions.leave(delivery, to_state=DeliveryState.QUEUED, reason=reason, not_before=Now() + pause)


def sweep_lost_deliveries() -> int:
    """Put back what a vanished worker had, or end it when it has outlived too many workers."""
    return leases.sweep(lambda: Delivery.objects.filter(state=DeliveryState.WORKING), _recover)


def _recover(delivery: Delivery) -> None:
    losses: dict[str, Any] = {"losses": F("losses") + 1}
    if outlived_its_workers(delivery):
        reason = "The worker vanished each time that it worked on this."
        transitions.move(delivery, to_state=DeliveryState.FAILED, reason=reason, **losses)
    else:
        transitions.move(delivery, to_state=DeliveryState.QUEUED, **losses)


def count_due_deliveries() -> int:
    return leases.count_due(Delivery.objects.all, DeliveryState.QUEUED, most=MESSAGES_PER_LOOK)
