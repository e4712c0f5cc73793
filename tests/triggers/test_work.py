"""One event at one rule starts one run, or leaves a reason; within the limits of rule and chain, whatever dies between."""

import threading
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from apps.core import leases
from apps.core.cel.process import EvaluatorAway
from apps.core.retries import MAX_LOSSES
from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.triggers import work
from apps.triggers.events import deliver
from apps.triggers.models import Delivery, Event, Rule
from apps.triggers.services import delete_rule, emit_event, fire_rule, switch_rule
from apps.triggers.states import DeliveryKind, DeliveryState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Role
from tests.triggers.conftest import HANDLE, SHOUT, Play

STARTED, SKIPPED, REFUSED, FAILED, QUEUED = (
    DeliveryState.STARTED, DeliveryState.SKIPPED, DeliveryState.REFUSED, DeliveryState.FAILED, DeliveryState.QUEUED,
)  # fmt: skip


def only(play: Play, rule: Rule | None = None) -> Delivery:
    [delivery] = play.deliveries(rule)
    return delivery


def change(play: Play, **fields: Any) -> None:
    """Every delivery, as time or a dead worker would have it."""
    with scope(play.cast.acme.pk):
        Delivery.objects.filter(state__in=("queued", "working")).update(**fields)


def test_an_event_starts_a_run_with_what_it_tells(play: Play, shouting: Callable[..., Rule]) -> None:
    rule = shouting(condition="event.data.n > 3", arguments={"text": "event.data.text", "times": "2"})
    event = play.emit(text="hello", n=5)
    assert only(play).state == QUEUED
    assert play.work_off() == 1
    delivery = only(play)
    assert (delivery.state, delivery.event_id, delivery.rule_id, delivery.reason) == (STARTED, event.pk, rule.pk, "")
    with scope(play.cast.acme.pk):
        run = Run.objects.select_related("asked_by", "function").get(pk=delivery.run_id)
    assert (run.function.name, run.arguments, run.asked_by) == ("shout", {"text": "hello", "times": 2}, play.cast.developer)


def test_a_condition_that_does_not_hold_starts_nothing_and_says_so(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting(condition="event.data.n > 3")
    play.emit(text="hello", n=1)
    play.work_off()
    assert (only(play).state, only(play).run) == (SKIPPED, None)
    assert "does not hold" in only(play).reason


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"condition": "event.data.missing > 3"}, "cannot be decided"),
        ({"condition": "event.data.text"}, "neither true nor false"),
        ({"arguments": {"text": "event.data.missing"}}, "“text”"),
        ({"arguments": {"text": "event.data.n"}}, "must be text"),
    ],
)
def test_what_goes_wrong_is_a_failure_with_its_reason(
    play: Play, shouting: Callable[..., Rule], fields: dict[str, Any], words: str
) -> None:
    rule = shouting(**fields)
    play.emit(text="hello", n=1)
    play.work_off()
    assert only(play).state == FAILED
    assert words in only(play).reason
    [failure] = play.events("rule.failed")
    assert (failure.data["rule"], words in failure.data["reason"], failure.depth) == (rule.name, True, 1)


def test_only_rules_for_its_type_and_function_are_told(play: Play, shout: Function, shouting: Callable[..., Rule]) -> None:
    whisper = play.function("def whisper(text: str) -> str:\n    return text.lower()\n")
    constant = {"arguments": {"text": "'a'"}}
    told = [
        shouting("function.updated", name="any", **constant),
        shouting("function.updated", name="this", function=shout, **constant),
    ]
    shouting("function.updated", name="another", function=whisper, **constant)
    shouting("function.created", name="another type", **constant)
    off = shouting("function.updated", name="off", **constant)
    with scope(play.cast.acme.pk):
        switch_rule(actor=play.cast.developer, rule_id=off.pk, is_active=False)
    play.save(shout, SHOUT.replace("= 1", "= 2"))
    assert {delivery.rule_id for delivery in play.deliveries()} == {rule.pk for rule in told}


def test_another_workspaces_event_reaches_no_rule_here(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting()
    with scope(play.cast.globex.pk):
        event = Event.objects.create(type="order.paid", source="/x")
        deliver(event, Rule.objects.listening_to(event).values_list("pk", flat=True))
        assert not Delivery.objects.exists()
    assert play.deliveries() == []


def test_the_same_event_is_delivered_once_to_a_rule(play: Play, shouting: Callable[..., Rule]) -> None:
    rule = shouting()
    event = play.emit(text="a")
    with pytest.raises(IntegrityError), scope(play.cast.acme.pk):
        deliver(event, [rule.pk])
    assert play.work_off() == 1
    with scope(play.cast.acme.pk):
        assert Run.objects.count() == 1


def test_a_worker_that_lost_its_lease_starts_nothing(play: Play, shouting: Callable[..., Rule], monkeypatch) -> None:
    shouting()
    play.emit(text="a")
    honest = work._decide

    def stall(delivery: Delivery) -> work.Decision:
        change(play, lease_until="2000-01-01T00:00:00Z")
        assert work.sweep_lost_deliveries() == 1
        return honest(delivery)

    monkeypatch.setattr(work, "_decide", stall)
    assert work.perform_next_delivery()
    with scope(play.cast.acme.pk):
        assert Run.objects.count() == 0
    monkeypatch.setattr(work, "_decide", honest)
    assert play.work_off() == 1
    with scope(play.cast.acme.pk):
        assert Run.objects.count() == 1


def test_what_a_dead_worker_had_is_taken_up_and_not_for_ever(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting()
    play.emit(text="a")
    for _ in range(MAX_LOSSES):
        assert only(play).state == QUEUED
        claimed = leases.claim(lambda: Delivery.objects.order_by("id"), from_state=QUEUED, to_state=DeliveryState.WORKING)
        assert claimed is not None
        change(play, lease_until="2000-01-01T00:00:00Z")
        work.sweep_lost_deliveries()
    assert (only(play).state, "vanished each time" in only(play).reason) == (FAILED, True)


def test_when_the_run_cannot_be_stored_neither_is_the_end_of_the_delivery(
    play: Play, shouting: Callable[..., Rule], monkeypatch
) -> None:
    shouting()
    play.emit(text="a")

    class Unlucky(Exception):
        pass

    def die(*_: object, **__: object) -> None:
        raise Unlucky

    monkeypatch.setattr(work.transitions, "leave", die)
    with pytest.raises(Unlucky):
        work.perform_next_delivery()
    with scope(play.cast.acme.pk):
        assert (Run.objects.count(), only(play).state) == (0, DeliveryState.WORKING)


def test_an_evaluator_that_is_away_is_waited_for(play: Play, shouting: Callable[..., Rule], monkeypatch) -> None:
    def away(*_: object) -> None:
        raise EvaluatorAway("It is away.")

    shouting(condition="event.data.n == 1")
    play.emit(text="a", n=1)
    with monkeypatch.context() as patched:
        patched.setattr(work.mapping, "evaluate", away)
        assert work.perform_next_delivery()
    assert (only(play).state, only(play).reason) == (QUEUED, "It is away.")
    change(play, not_before=None)
    play.work_off()
    assert only(play).state == STARTED


def test_a_rule_acts_with_the_rights_that_its_owner_has_now(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting()
    play.emit(text="a")
    with scope(play.cast.acme.pk):
        Membership.objects.filter(pk=play.cast.developer.pk).update(role=Role.VIEWER)
    play.work_off()
    assert (only(play).state, "operator" in only(play).reason) == (FAILED, True)


@pytest.mark.parametrize("how", ["left", "closed"])
def test_a_rule_whose_owner_is_gone_starts_nothing(play: Play, shouting: Callable[..., Rule], how: str) -> None:
    shouting(actor=play.cast.admin)
    play.emit(text="a")
    with scope(play.cast.acme.pk):
        if how == "left":
            play.cast.admin.delete()
        else:
            play.cast.admin.user.is_active = False
            play.cast.admin.user.save()
    play.work_off()
    assert (only(play).state, "no member here any more" in only(play).reason) == (FAILED, True)


def test_a_rule_that_was_switched_off_meanwhile_starts_nothing(play: Play, shouting: Callable[..., Rule]) -> None:
    rule = shouting()
    play.emit(text="a")
    with scope(play.cast.acme.pk):
        switch_rule(actor=play.cast.developer, rule_id=rule.pk, is_active=False)
    play.work_off()
    assert (only(play).state, "switched off" in only(play).reason) == (REFUSED, True)


def test_a_rule_starts_no_more_runs_in_a_minute_than_it_may(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting(most_per_minute=2)
    for _ in range(3):
        play.emit(text="a")
    play.work_off()
    assert [each.state for each in play.deliveries()] == [STARTED, STARTED, REFUSED]
    assert "2 runs in a minute" in play.deliveries()[2].reason
    with scope(play.cast.acme.pk):  # an hour later, as far as the rate goes
        assert Delivery.objects.started().filter(finished_at__gt=Now() - work.RATE_WINDOW).count() == 2


def test_a_rule_waits_while_as_many_of_its_runs_go_on_as_may(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting(most_running=1)
    play.emit(text="a")
    play.emit(text="b")
    play.work_off()
    first, second = play.deliveries()
    assert (first.state, second.state, "1 runs of this rule" in second.reason) == (STARTED, QUEUED, True)
    assert second.not_before is not None
    play.end(first.run)
    change(play, not_before=None)
    play.work_off()
    assert play.deliveries()[1].state == STARTED


def test_what_has_waited_for_an_hour_is_refused(play: Play, shouting: Callable[..., Rule], monkeypatch) -> None:
    monkeypatch.setattr(work, "LONGEST_WAIT", work.timedelta(0))
    shouting(most_running=1)
    play.emit(text="a")
    play.emit(text="b")
    play.work_off()
    assert [each.state for each in play.deliveries()] == [STARTED, REFUSED]
    assert "waited for an hour" in play.deliveries()[1].reason


def test_a_full_queue_of_runs_is_waited_for(play: Play, shouting: Callable[..., Rule], settings: Any) -> None:
    settings.WORKSPACE_QUEUED_RUNS = 0
    shouting()
    play.emit(text="a")
    play.work_off()
    assert (only(play).state, "runs waiting" in only(play).reason) == (QUEUED, True)


def test_events_that_wait_are_bounded_and_the_rest_is_seen(play: Play, shouting: Callable[..., Rule], settings: Any) -> None:
    settings.TRIGGER_QUEUE = 2
    shouting()
    for _ in range(3):
        play.emit(text="a")
    assert [each.state for each in play.deliveries()] == [QUEUED, QUEUED, REFUSED]


def follow(play: Play, rounds: int) -> None:
    """Let every run that rules start succeed, so often."""
    for _ in range(rounds):
        play.work_off()
        for delivery in play.deliveries():
            if delivery.run and delivery.run.state == RunState.QUEUED:
                play.end(delivery.run)


def test_a_circle_ends_at_the_depth_of_a_chain_and_that_is_seen(play: Play, shout: Function, settings: Any) -> None:
    settings.TRIGGER_DEPTH = 3
    play.rule("order.paid", shout, arguments={"text": "'a'"}, name="begin")
    play.rule("run.succeeded", shout, arguments={"text": "'a'"}, name="again")
    beginning = play.emit()
    follow(play, rounds=8)
    deliveries = play.deliveries()
    assert [each.state for each in deliveries] == [STARTED, STARTED, STARTED, REFUSED]
    assert [each.event.depth for each in deliveries] == [0, 1, 2, 3]
    assert {each.root_id for each in deliveries} == {beginning.pk}
    assert "circle" in deliveries[-1].reason


def test_a_chain_starts_no_more_runs_than_it_may(play: Play, shouting: Callable[..., Rule], settings: Any) -> None:
    settings.TRIGGER_CHAIN_RUNS = 2
    for number in range(3):
        shouting(name=str(number))
    play.emit(text="a")
    play.work_off()
    assert sorted(each.state for each in play.deliveries()) == [REFUSED, STARTED, STARTED]
    play.emit(text="b")
    play.work_off()
    assert len([each for each in play.deliveries() if each.state == STARTED]) == 4, "another event begins another chain"


def test_a_run_that_a_rules_run_called_stands_in_the_same_chain(
    play: Play, shout: Function, shouting: Callable[..., Rule]
) -> None:
    shouting()
    beginning = play.emit(text="a")
    play.work_off()
    top = only(play).run
    with scope(play.cast.acme.pk):
        child = Run.objects.create(
            state="queued", function=shout, version=shout.active_version, root_id=top.pk, parent_id=top.pk, depth=1
        )
    play.end(child)
    [event] = play.events("run.succeeded")
    assert (event.root_id, event.depth) == (beginning.pk, 1)


def test_a_rule_that_failed_tells_its_error_handler(play: Play, shouting: Callable[..., Rule]) -> None:
    rule = shouting(error_handler=play.function(HANDLE), condition="event.data.missing")
    play.emit(text="a")
    play.work_off()
    failed, handled = play.deliveries(rule)
    assert (failed.state, handled.state, handled.kind) == (FAILED, STARTED, DeliveryKind.ERROR)
    with scope(play.cast.acme.pk):
        run = Run.objects.select_related("function").get(pk=handled.run_id)
    assert (run.function.name, run.arguments["event"]["data"]["rule"]) == ("handle", rule.name)


def test_a_run_of_a_rule_that_failed_tells_the_error_handler_once_and_its_own_failure_nobody(
    play: Play, shouting: Callable[..., Rule]
) -> None:
    rule = shouting(error_handler=play.function(HANDLE))
    play.emit(text="a")
    play.work_off()
    play.end(only(play).run, RunState.FAILED, message="It broke.")
    play.work_off()
    _, handled = play.deliveries(rule)
    assert (handled.kind, handled.event.type, handled.state) == (DeliveryKind.ERROR, "rule.failed", STARTED)
    [failure] = play.events("rule.failed")
    assert (failure.data["state"], failure.data["reason"]) == ("failed", "It broke.")
    play.end(handled.run, RunState.FAILED, message="It broke too.")
    assert len(play.events("rule.failed")) == 1


def test_a_rule_is_fired_by_hand_whatever_its_condition_and_though_it_is_off(play: Play, shouting: Callable[..., Rule]) -> None:
    rule = shouting(condition="false")
    with scope(play.cast.acme.pk):
        switch_rule(actor=play.cast.developer, rule_id=rule.pk, is_active=False)
        fire_rule(actor=play.cast.operator, rule_id=rule.pk, data={"text": "now"})
    play.work_off()
    fired = only(play)
    assert (fired.state, fired.kind, fired.event.type) == (STARTED, DeliveryKind.FIRE, "rule.fired")
    with scope(play.cast.acme.pk):
        run = Run.objects.get(pk=fired.run_id)
    assert (run.arguments, run.asked_by_id) == ({"text": "now"}, play.cast.developer.pk)


def test_a_rule_that_is_removed_leaves_its_runs(play: Play, shouting: Callable[..., Rule]) -> None:
    rule = shouting()
    play.emit(text="a")
    play.work_off()
    with scope(play.cast.acme.pk):
        delete_rule(actor=play.cast.developer, rule_id=rule.pk)
        assert (Run.objects.count(), Delivery.objects.count(), Event.objects.filter(type="order.paid").count()) == (1, 0, 1)


def test_a_rule_that_is_removed_under_a_workers_hands_starts_nothing(
    play: Play, shouting: Callable[..., Rule], monkeypatch
) -> None:
    rule = shouting()
    for step in ("_look_at", "_decide"):
        if step == "_decide":
            rule = shouting()
        play.emit(text="a")
        honest = getattr(work, step)

        def remove_first(delivery: Delivery, honest: Any = honest, rule: Rule = rule) -> Any:
            with scope(play.cast.acme.pk):
                delete_rule(actor=play.cast.developer, rule_id=rule.pk)
            return honest(delivery)

        with monkeypatch.context() as patched:
            patched.setattr(work, step, remove_first)
            assert work.perform_next_delivery()
    with scope(play.cast.acme.pk):
        assert (Run.objects.count(), Delivery.objects.count()) == (0, 0)


def test_due_deliveries_are_counted_for_the_scheduler(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting()
    play.emit(text="a")
    assert work.count_due_deliveries() == 1
    play.work_off()
    assert work.count_due_deliveries() == 0


def test_a_worker_finds_the_next_delivery_without_a_look_at_rules(play: Play, shouting: Callable[..., Rule]) -> None:
    shouting()
    play.emit(text="a")
    with CaptureQueriesContext(connection) as queries:
        assert work.perform_next_delivery()
    [claim] = [each["sql"] for each in queries if "SKIP LOCKED" in each["sql"] and "triggers_delivery" in each["sql"]]
    assert "triggers_rule" not in claim


class TestSeveralWorkers:
    """They are threads with connections of their own, so what the test writes is committed."""

    @pytest.fixture
    def cast(self, transactional_cast: SimpleNamespace) -> SimpleNamespace:
        return transactional_cast

    def test_workers_at_once_start_each_run_once_and_none_above_the_limits(
        self, play: Play, shouting: Callable[..., Rule]
    ) -> None:
        shouting(name="wide", most_running=100)
        narrow = shouting(name="narrow", most_per_minute=3, most_running=100)
        for _ in range(8):
            play.emit(text="a")
        start = threading.Barrier(4)

        def work_off() -> None:
            try:
                start.wait()
                play.work_off()
            finally:
                connection.close()

        threads = [threading.Thread(target=work_off) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        states = Counter((each.rule_id == narrow.pk, each.state) for each in play.deliveries())
        assert states == {(False, STARTED): 8, (True, STARTED): 3, (True, REFUSED): 5}
        with scope(play.cast.acme.pk):
            assert Run.objects.count() == 11

    def test_an_event_that_is_on_its_way_when_its_rule_is_removed_fails_nobody(
        self, play: Play, shouting: Callable[..., Rule]
    ) -> None:
        rule, is_told, is_removed = shouting(), threading.Event(), threading.Event()

        def remove() -> None:
            try:
                is_told.wait()
                with scope(play.cast.acme.pk):
                    delete_rule(actor=play.cast.developer, rule_id=rule.pk)
                is_removed.set()
            finally:
                connection.close()

        remover = threading.Thread(target=remove)
        remover.start()
        with scope(play.cast.acme.pk):
            emit_event(actor=play.cast.operator, type="order.paid", data={"text": "a"})
            is_told.set()
            assert not is_removed.wait(0.5), "it waits for the event"
        remover.join()
        assert is_removed.is_set()
        assert (play.deliveries(), len(play.events("order.paid"))) == ([], 1)

    def test_a_rule_that_is_being_removed_gets_no_event_and_fails_none(self, play: Play, shouting: Callable[..., Rule]) -> None:
        rule, is_begun, is_told = shouting(), threading.Event(), threading.Event()

        def tell() -> None:
            try:
                is_begun.wait()
                play.emit(text="a")
                is_told.set()
            finally:
                connection.close()

        teller = threading.Thread(target=tell)
        teller.start()
        with scope(play.cast.acme.pk):
            delete_rule(actor=play.cast.developer, rule_id=rule.pk)
            is_begun.set()
            assert not is_told.wait(0.5), "it waits for the end of the removal"
        teller.join()
        assert is_told.is_set()
        assert (play.deliveries(), len(play.events("order.paid"))) == ([], 1)
