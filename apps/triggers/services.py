"""Write rules, switch and fire them; tell events by hand and tell past ones again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.canonical import digest_of
from apps.core.cel import ConditionUnclear
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.models import Function
from apps.functions.reader.literals import storable
from apps.runs.services import KeyReused
from apps.triggers import mapping
from apps.triggers.events import BadEventData, check_data, deliver, record_event, told_before
from apps.triggers.models import Delivery, Event, Rule, Schedule, Webhook
from apps.triggers.states import OPEN, DeliveryKind
from apps.triggers.types import PLATFORM, RULE_FIRED, WEBHOOK_RECEIVED, check_own_type, check_type, schedule_of, webhook_of
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

MAX_NAME = 100
MAX_SUBJECT = 300
MOST_PER_MINUTE = 1_000
MOST_RUNNING = 100


class NoSuchEvent(NotFound):
    code = "no_such_event"


class NoSuchRule(NotFound):
    code = "no_such_rule"


class RuleNameTaken(Conflict):
    code = "rule_name_taken"


class BadRule(Invalid):
    code = "bad_rule"


class TooManyRules(Conflict):
    code = "too_many_rules"


class RuleChanged(Conflict):
    code = "rule_changed"


@dataclass(frozen=True)
class RuleDraft:
    """What a rule says. `arguments`: an expression for each argument of the target; `function`: only events about this one."""

    name: str
    event_type: str
    target: Function
    function: Function | None = None
    condition: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    error_handler: Function | None = None
    most_per_minute: int = 60
    most_running: int = 10


@dataclass(frozen=True)
class Trial:
    """What a rule would do with a past event: whether its condition holds, and with which arguments it would run."""

    event: Event
    holds: bool
    arguments: dict[str, Any]
    problem: str = ""


def create_rule(*, actor: Membership, draft: RuleDraft) -> Rule:
    """Store a rule, which is on at once and acts with the rights of `actor`.

    Raises:
        PermissionMissing, BadRule, BadEventType, ExpressionsInvalid, RuleNameTaken, TooManyRules, EvaluatorAway
    """
    require(actor, Permission.DEVELOP)
    rule = Rule(owner=actor, **_checked(draft))
    _check_room(rule)
    _store(rule)
    record(actor=actor, action="rule.created", subject=rule, **_told_of(rule))
    return rule


def update_rule(*, actor: Membership, rule_id: UUID, draft: RuleDraft, seen: str = "") -> Rule:
    """Change what a rule says. It acts with the rights of whoever changed it last, which is now `actor`.

    Args:
        seen: `Rule.updated_at`, as ISO 8601, of what was edited; a rule that somebody else has changed since is not overwritten.

    Raises:
        as `create_rule`, and NoSuchRule, RuleChanged
    """
    require(actor, Permission.DEVELOP)
    rule = _locked(rule_id)
    if seen and seen != rule.updated_at.isoformat():
        raise RuleChanged("Somebody has changed this rule since you opened it. Look at it again before you save yours.")
    for name, value in _checked(draft).items():
        setattr(rule, name, value)
    rule.owner, rule.updated_at = actor, Now()
    _check_room(rule)
    _store(rule)
    record(actor=actor, action="rule.updated", subject=rule, **_told_of(rule))
    return find_rule(actor=actor, rule_id=rule.pk)


def switch_rule(*, actor: Membership, rule_id: UUID, is_active: bool) -> Rule:
    """Switch a rule on or off. What already waits at a rule that is switched off is refused when its turn comes.

    Raises:
        PermissionMissing, NoSuchRule, TooManyRules
    """
    require(actor, Permission.DEVELOP)
    rule = _locked(rule_id)
    if rule.is_active != is_active:
        rule.is_active = is_active
        _check_room(rule)
        Rule.objects.filter(pk=rule.pk).update(is_active=is_active, updated_at=Now())
        record(actor=actor, action="rule.switched_on" if is_active else "rule.switched_off", subject=rule)
    return rule


def delete_rule(*, actor: Membership, rule_id: UUID) -> None:
    """Remove a rule and the record of what it did with each event; its runs and the events stay.

    Raises:
        PermissionMissing, NoSuchRule
    """
    require(actor, Permission.DEVELOP)
    # First what workers may be at, as they take it before the rule: the other way round the two could wait for each other.
    list(Delivery.objects.filter(rule=rule_id, state__in=OPEN).select_for_update().values_list("pk"))
    rule = _locked(rule_id, until_no_event_is_on_its_way=True)
    record(actor=actor, action="rule.deleted", subject=rule, **_told_of(rule))
    rule.delete()


def fire_rule(*, actor: Membership, rule_id: UUID, data: object) -> Delivery:
    """Let a rule act now on data that a person gives, whether it is on or not and whatever its condition says.

    Raises:
        PermissionMissing, NoSuchRule, BadEventData, EventTooLarge
    """
    require(actor, Permission.RUN)
    rule = find_rule(actor=actor, rule_id=rule_id)
    event = record_event(
        type=RULE_FIRED, source=f"/rules/{rule.name}", subject=rule.name, data=check_data(data), function=rule.target,
        emitted_by=actor,
    )  # fmt: skip
    deliver(event, [rule.pk], kind=DeliveryKind.FIRE)
    record(actor=actor, action="rule.fired", subject=rule, event=str(event.pk))
    return Delivery.objects.for_list().get(event=event, rule=rule, kind=DeliveryKind.FIRE)


def emit_event(
    *,
    actor: Membership,
    type: str,  # noqa: A002  the word of the standard
    data: object,
    subject: str = "",
    idempotency_key: str | None = None,
) -> Event:
    """Tell an event by hand or from a program: of any type but the platform's own.

    The same key with the same event gives the one that was told first.

    Raises:
        PermissionMissing, BadEventType, BadEventData, EventTooLarge, KeyReused
    """
    require(actor, Permission.RUN)
    if not storable(subject) or len(subject) > MAX_SUBJECT:
        raise BadEventData(f"A subject may have {MAX_SUBJECT} characters, and no NUL among them.")
    told: dict[str, Any] = {"type": check_own_type(type), "subject": subject, "data": check_data(data)}
    key = f"told {actor.pk} {digest_of(idempotency_key)}" if idempotency_key else None
    if key and (earlier := told_before(key)):
        if told != {name: getattr(earlier, name) for name in told}:
            raise KeyReused("This idempotency key was used for another event: take a new key.", event=str(earlier.pk))
        return earlier
    event = record_event(source=f"/members/{actor}", emitted_by=actor, key=key, **told)
    record(actor=actor, action="event.emitted", subject=event, type=event.type)
    return event


def rules_that_need(function: Function) -> list[str]:
    """The rules that would have nothing to run without it: each as it is called in a sentence."""
    return [f"the rule “{name}”" for name in Rule.objects.needing(function).order_by("name").values_list("name", flat=True)]


def replay_event(*, actor: Membership, event_id: UUID) -> Event:
    """Tell a past event again, as a new one that begins a chain of its own and says which one it repeats.

    Raises:
        PermissionMissing, NoSuchEvent
    """
    require(actor, Permission.RUN)
    past = find_event(actor=actor, event_id=event_id)
    event = record_event(
        type=past.type, source=past.source, subject=past.subject, data=past.data, function=past.function_id, emitted_by=actor,
        replay_of=past,
    )  # fmt: skip
    record(actor=actor, action="event.replayed", subject=event, type=event.type, of=str(past.pk))
    return event


def try_rule(*, actor: Membership, draft: RuleDraft, most: int = 5) -> list[Trial]:
    """What a rule would do with the newest events of its type, without doing it.

    Raises:
        PermissionMissing, BadRule, BadEventType, ExpressionsInvalid, EvaluatorAway
    """
    require(actor, Permission.DEVELOP)
    _checked(draft)
    webhook = webhook_of(draft.event_type)
    about: dict[str, Any] = {"function": draft.function} if draft.function else {}
    alike = {"type": WEBHOOK_RECEIVED, "subject": webhook} if webhook else {"type": draft.event_type}
    events = Event.objects.filter(**alike, **about).order_by("-id")[:most]
    return [_trial(draft, event) for event in events]


def find_event(*, actor: Membership, event_id: UUID) -> Event:
    """Raises: PermissionMissing, NoSuchEvent."""
    require(actor, Permission.VIEW)
    related = ("function", "run__function", "emitted_by__user", "replay_of", "root")
    event = Event.objects.select_related(*related).filter(pk=event_id).first()
    if event is None:
        raise NoSuchEvent("There is no such event here.")
    return event


def find_rule(*, actor: Membership, rule_id: UUID) -> Rule:
    """With its functions and their active versions. Raises: PermissionMissing, NoSuchRule."""
    require(actor, Permission.VIEW)
    rule = Rule.objects.for_list().select_related("target__active_version").filter(pk=rule_id).first()
    if rule is None:
        raise NoSuchRule("There is no such rule here.")
    return rule


def chain_of_event(event: Event) -> QuerySet[Delivery]:
    """All that rules did in the chain that an event belongs to, in the order in which it happened."""
    return Delivery.objects.for_list().filter(root_id=event.root_id or event.pk).order_by("id")


def _trial(draft: RuleDraft, event: Event) -> Trial:
    envelope = event.as_cloudevent()
    try:
        if not mapping.holds(draft.condition, envelope):
            return Trial(event, holds=False, arguments={})
        return Trial(event, holds=True, arguments=mapping.arguments_for(draft.arguments, envelope))
    except (ConditionUnclear, mapping.ExpressionsInvalid) as problem:
        return Trial(event, holds=False, arguments={}, problem=problem.message)


def _checked(draft: RuleDraft) -> dict[str, Any]:
    """The fields of a rule, checked together."""
    name = draft.name.strip()
    if not name or len(name) > MAX_NAME or not storable(name) or not name.isprintable():
        raise BadRule(f"A rule needs a name of up to {MAX_NAME} characters in one line.")
    if not 1 <= draft.most_per_minute <= MOST_PER_MINUTE:
        raise BadRule(f"A rule may start 1 to {MOST_PER_MINUTE} runs in a minute.")
    if not 1 <= draft.most_running <= MOST_RUNNING:
        raise BadRule(f"A rule may have 1 to {MOST_RUNNING} runs going on.")
    event_type = check_type(draft.event_type)
    _check_source(event_type, draft.function)
    for function in (draft.target, draft.function, draft.error_handler):
        if function is not None and function.task_id is not None:
            raise BadRule("Rules are about functions of the library, not about what a task keeps for itself.")
    mapping.check_expressions(draft.condition, draft.arguments, _schema_of(draft.target))
    if draft.error_handler:
        mapping.check_handler(_schema_of(draft.error_handler))
    return {**vars(draft), "name": name, "event_type": event_type, "arguments": dict(draft.arguments)}


def _check_source(event_type: str, function: Function | None) -> None:
    """There is somebody who tells such events, and they are about functions if the rule is to choose one."""
    if function and event_type in PLATFORM and not PLATFORM[event_type].of_function:
        raise BadRule(f"Events of the type {event_type} are about no function: leave the function out.")
    if (schedule := schedule_of(event_type)) and not Schedule.objects.filter(name=schedule).exists():
        raise BadRule(f"There is no schedule “{schedule[:60]}” here. Write it first.")
    if (webhook := webhook_of(event_type)) and not Webhook.objects.filter(name=webhook).exists():
        raise BadRule(f"There is no webhook “{webhook[:60]}” here. Make it first.")
    if function and (schedule or webhook):
        raise BadRule("What a schedule or a webhook tells is about no function: leave the function out.")


def _schema_of(function: Function) -> dict[str, Any]:
    if function.active_version is None:
        raise BadRule(f"“{function.name}” has no active version that a rule could run.")
    schema: dict[str, Any] = function.active_version.input_schema
    return schema


def _check_room(rule: Rule) -> None:
    """Bound how many rules one event can reach: so many for its type alone, and so many for its type and function.

    Raises:
        TooManyRules
    """
    if not rule.is_active:
        return
    with connection.cursor() as cursor:  # rules of one workspace are stored one after another, so that none goes over the count
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"rules {current_workspace_id()}"])
    most = settings.TRIGGER_FAN_OUT
    alike = Rule.objects.filter(is_active=True, event_type=rule.event_type, function=rule.function).exclude(pk=rule.pk)
    if alike[:most].count() >= most:
        raise TooManyRules(f"{most} rules wait for the same events, as many as may. Switch one of them off, or join some.")


def _store(rule: Rule) -> None:
    try:
        with scope(current_workspace_id()):  # a savepoint: the constraint decides between two who save at once
            rule.save()
    except IntegrityError as error:
        raise RuleNameTaken(f"There is a rule “{rule.name}” already.", name=rule.name) from error


def _locked(rule_id: UUID, *, until_no_event_is_on_its_way: bool = False) -> Rule:
    """Held until the end of the transaction: against other writers, or also against events that are being delivered to it."""
    rule = Rule.objects.select_for_update(no_key=not until_no_event_is_on_its_way).filter(pk=rule_id).first()
    if rule is None:
        raise NoSuchRule("There is no such rule here.")
    return rule


def _told_of(rule: Rule) -> dict[str, Any]:
    """For the audit trail."""
    return {
        "event_type": rule.event_type,
        "target": str(rule.target_id),
        "condition": rule.condition,
        "arguments": rule.arguments,
        "function": str(rule.function_id) if rule.function_id else None,
    }
