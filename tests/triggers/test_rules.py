"""What a rule may say, who may write it, and what is told before it is stored."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.triggers import services
from apps.triggers.loops import find_loop
from apps.triggers.mapping import ExpressionsInvalid
from apps.triggers.models import Delivery, Event, Rule
from apps.triggers.services import (
    BadRule,
    NoSuchRule,
    RuleChanged,
    RuleDraft,
    RuleNameTaken,
    TooManyRules,
    delete_rule,
    find_rule,
    switch_rule,
    try_rule,
    update_rule,
)
from apps.triggers.types import BadEventType
from apps.workspaces.services import PermissionMissing
from tests.triggers.conftest import HANDLE, Play


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"condition": "event.data.n >"}, "condition", "no expression"),
        ({"condition": "other.data"}, "condition", "There is no “other”"),
        ({"condition": "1" * 1001}, "condition", "1000 characters"),
        ({"arguments": {}}, "text", "required"),
        ({"arguments": {"text": "'a'", "volume": "3"}}, "volume", "no argument of this name"),
        ({"arguments": {"text": "7"}}, "text", "must be text"),
        ({"arguments": {"text": "event.data.text", "times": "'often'"}}, "times", "must be"),
        ({"arguments": {"text": ""}}, "text", "missing"),
        ({"arguments": {"text": "1 / 0"}}, "text", ""),
        ({"arguments": {"text": "hello"}}, "text", "There is no “hello”"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    shouting: Callable[..., Rule], fields: dict[str, Any], place: str, words: str
) -> None:
    with pytest.raises(ExpressionsInvalid) as refusal:
        shouting(**fields)
    assert set(refusal.value.fields) == {place}
    assert words in refusal.value.fields[place]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": " "}, BadRule), ({"name": "a\nb"}, BadRule), ({"name": "x" * 101}, BadRule), ({"most_per_minute": 0}, BadRule),
        ({"most_running": 0}, BadRule), ({"most_running": 10_000}, BadRule), ({"event_type": "run.flown"}, BadEventType),
        ({"event_type": "nothing"}, BadEventType),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(
    shouting: Callable[..., Rule], play: Play, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        shouting(**fields)
    with scope(play.cast.acme.pk):
        assert not Rule.objects.exists()


def test_a_constant_and_what_the_event_tells_are_both_arguments(shouting: Callable[..., Rule]) -> None:
    rule = shouting(arguments={"text": "event.data.text", "times": "2"})
    assert rule.arguments == {"text": "event.data.text", "times": "2"}


def test_an_event_that_is_about_no_function_takes_none(shouting: Callable[..., Rule], shout: Function) -> None:
    with pytest.raises(BadRule, match="about no function"):
        shouting("task.completed", function=shout)


def test_an_error_handler_takes_the_event(shouting: Callable[..., Rule], shout: Function, play: Play) -> None:
    with pytest.raises(ExpressionsInvalid, match="event: dict"):
        shouting(error_handler=shout)
    handler = play.function(HANDLE)
    assert shouting(error_handler=handler).error_handler == handler


def test_a_name_is_taken_once(shouting: Callable[..., Rule]) -> None:
    shouting(name="One")
    with pytest.raises(RuleNameTaken, match="One"):
        shouting("order.sent", name="One")


@pytest.mark.parametrize("who", ["viewer", "operator", "approver"])
def test_only_who_writes_functions_writes_rules(shouting: Callable[..., Rule], play: Play, who: str) -> None:
    actor, rule = getattr(play.cast, who), shouting()
    with pytest.raises(PermissionMissing):
        shouting(name="Another", actor=actor)
    with scope(play.cast.acme.pk):
        for act in (
            lambda: switch_rule(actor=actor, rule_id=rule.pk, is_active=False),
            lambda: delete_rule(actor=actor, rule_id=rule.pk),
            lambda: update_rule(actor=actor, rule_id=rule.pk, draft=draft_of(rule)),
            lambda: try_rule(actor=actor, draft=draft_of(rule)),
        ):
            with pytest.raises(PermissionMissing):
                act()


def draft_of(rule: Rule, **changes: Any) -> RuleDraft:
    names = (
        "name",
        "event_type",
        "target",
        "function",
        "condition",
        "arguments",
        "error_handler",
        "most_per_minute",
        "most_running",
    )
    return RuleDraft(**{**{name: getattr(rule, name) for name in names}, **changes})


def test_whoever_saves_a_rule_stands_for_it(shouting: Callable[..., Rule], play: Play) -> None:
    """Else a developer could change what a rule of the owner does, with the owner's rights."""
    rule = shouting(actor=play.cast.owner)
    with scope(play.cast.acme.pk):
        changed = update_rule(actor=play.cast.developer, rule_id=rule.pk, draft=draft_of(rule, condition="event.data.n == 1"))
    assert (changed.owner, changed.condition) == (play.cast.developer, "event.data.n == 1")


def test_what_somebody_else_changed_is_not_overwritten(shouting: Callable[..., Rule], play: Play) -> None:
    rule = shouting()
    with scope(play.cast.acme.pk):
        seen = find_rule(actor=play.cast.developer, rule_id=rule.pk).updated_at.isoformat()
    with scope(play.cast.acme.pk):
        Rule.objects.filter(pk=rule.pk).update(condition="event.data.n == 2", updated_at="2030-01-01T00:00:00Z")
    with scope(play.cast.acme.pk):
        with pytest.raises(RuleChanged):
            update_rule(actor=play.cast.developer, rule_id=rule.pk, draft=draft_of(rule), seen=seen)
        assert find_rule(actor=play.cast.developer, rule_id=rule.pk).condition == "event.data.n == 2"


def test_one_event_reaches_a_bounded_number_of_rules(
    shouting: Callable[..., Rule], shout: Function, play: Play, settings: Any
) -> None:
    settings.TRIGGER_FAN_OUT = 2
    first = shouting(name="1")
    shouting(name="2")
    with pytest.raises(TooManyRules, match="2 rules wait"):
        shouting(name="3")
    shouting(name="3", function=shout)
    with scope(play.cast.acme.pk):
        switch_rule(actor=play.cast.developer, rule_id=first.pk, is_active=False)
    shouting(name="4")
    with scope(play.cast.acme.pk), pytest.raises(TooManyRules):
        switch_rule(actor=play.cast.developer, rule_id=first.pk, is_active=True)


def test_all_that_is_done_to_a_rule_is_in_the_audit_trail(shouting: Callable[..., Rule], play: Play) -> None:
    rule = shouting()
    with scope(play.cast.acme.pk):
        update_rule(actor=play.cast.developer, rule_id=rule.pk, draft=draft_of(rule))
        switch_rule(actor=play.cast.developer, rule_id=rule.pk, is_active=False)
        services.fire_rule(actor=play.cast.operator, rule_id=rule.pk, data={})
        delete_rule(actor=play.cast.developer, rule_id=rule.pk)
        actions = list(AuditRecord.objects.filter(action__startswith="rule.").order_by("id").values_list("action", flat=True))
    assert actions == ["rule.created", "rule.updated", "rule.switched_off", "rule.fired", "rule.deleted"]


def test_a_strangers_rule_is_not_found(shouting: Callable[..., Rule], play: Play) -> None:
    rule = shouting()
    with scope(play.cast.globex.pk), pytest.raises(NoSuchRule):
        find_rule(actor=play.cast.stranger, rule_id=rule.pk)


def test_trying_a_rule_tells_what_it_would_do_and_does_nothing(play: Play, shout: Function) -> None:
    for data in ({"text": "a", "n": 1}, {"text": "b", "n": 5}, {"n": 9}):
        play.emit(**data)
    draft = RuleDraft(
        name="Try", event_type="order.paid", target=shout, condition="event.data.n > 3", arguments={"text": "event.data.text"}
    )
    with scope(play.cast.acme.pk):
        newest, middle, oldest = try_rule(actor=play.cast.developer, draft=draft)
        assert not Delivery.objects.exists()
        assert Event.objects.filter(type="order.paid").count() == 3
    assert (newest.holds, "text" in newest.problem) == (False, True)
    assert (middle.holds, middle.arguments, middle.problem) == (True, {"text": "b"}, "")
    assert (oldest.holds, oldest.arguments, oldest.problem) == (False, {}, "")


def test_a_circle_of_rules_is_seen_when_one_is_saved(play: Play, shout: Function, shouting: Callable[..., Rule]) -> None:
    whisper = play.function("def whisper(text: str) -> str:\n    return text.lower()\n")
    first = play.rule("run.succeeded", whisper, function=shout, arguments={"text": "'a'"}, name="first")
    with scope(play.cast.acme.pk):
        assert find_loop(first) == []
    second = play.rule("run.succeeded", shout, function=whisper, arguments={"text": "'a'"}, name="second")
    with scope(play.cast.acme.pk):
        assert find_loop(first) == ["first", "second"]
        assert find_loop(second) == ["second", "first"]
        Rule.objects.filter(pk=second.pk).update(is_active=False)
        assert find_loop(first) == []


def test_a_rule_that_starts_itself_is_a_circle(play: Play, shout: Function) -> None:
    rule = play.rule("run.failed", shout, arguments={"text": "'a'"})
    with scope(play.cast.acme.pk):
        assert find_loop(rule) == [rule.name]


def test_a_circle_through_an_event_that_code_tells_is_seen(play: Play) -> None:
    tell = play.function("import func\n\ndef tell() -> None:\n    func.emit('order.sent', {})\n")
    rule = play.rule("order.sent", tell)
    other = play.rule("order.paid", tell)
    with scope(play.cast.acme.pk):
        assert find_loop(rule) == [rule.name]
        assert find_loop(other) == []
