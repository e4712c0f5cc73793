"""What happens becomes events, in the transaction of what happened, bounded and told truly."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from apps.core.events import emit
from apps.core.tenancy import scope
from apps.functions.activation import activate_version, roll_back
from apps.functions.definition import Provenance
from apps.functions.models import Function, Origin
from apps.functions.services import create_function, save_version
from apps.runs.models import Artifact, Run
from apps.runs.services import KeyReused, start_run
from apps.runs.states import TERMINAL, RunState
from apps.triggers import types
from apps.triggers.events import BadEventData, EventTooLarge
from apps.triggers.models import Event, Rule
from apps.triggers.services import NoSuchEvent, emit_event, find_event, replay_event
from apps.triggers.types import BadEventType
from apps.triggers.verbs import NobodyAgreed, TooManyEvents, emit_from_code
from apps.workspaces.services import PermissionMissing
from tests.triggers.conftest import SHOUT, Play


def begin(play: Play, function: Function, **arguments: object) -> Run:
    with scope(play.cast.acme.pk):
        return start_run(actor=play.cast.developer, version=function.active_version, arguments=arguments)


@pytest.mark.parametrize("state", TERMINAL)
def test_every_end_of_a_run_is_an_event(play: Play, shout: Function, state: RunState) -> None:
    run = begin(play, shout, text="a")
    play.end(run, state, message="So it ended.", result="A" if state == RunState.SUCCEEDED else None)
    [event] = play.events(f"run.{state}")
    assert (event.function, event.run_id, event.source, event.subject) == (shout, run.pk, "/functions/shout", str(run.pk))
    told = {name: event.data[name] for name in ("function", "version", "state", "message", "arguments")}
    assert told == {"function": "shout", "version": 1, "state": state, "message": "So it ended.", "arguments": {"text": "a"}}


def test_every_type_that_a_run_tells_is_known() -> None:
    assert {f"run.{state}" for state in TERMINAL} == set(types.RUN_TYPES)


def test_a_large_result_is_left_out_and_that_is_said(play: Play, shout: Function) -> None:
    play.end(begin(play, shout, text="a"), result="x" * 100_000)
    [event] = play.events("run.succeeded")
    assert (event.data["result"], event.data["result_is_left_out"]) == (None, True)
    assert (event.data["arguments"], event.data["arguments_is_left_out"]) == ({"text": "a"}, False)


def test_a_saved_function_is_told_as_created_then_as_updated(play: Play, shout: Function) -> None:
    louder = SHOUT.replace("times: int = 1", "times: int = 9")
    play.save(shout, louder)
    [created], [updated] = play.events("function.created"), play.events("function.updated")
    assert (created.data["version"], created.data["source"]) == (1, SHOUT)
    assert (updated.data["version"], updated.data["source"], updated.function) == (2, louder, shout)


def test_which_version_is_active_is_told_when_it_changes_and_a_draft_is_only_an_update(play: Play, shout: Function) -> None:
    with scope(play.cast.acme.pk):
        function = Function.objects.select_related("active_version__function").get(pk=shout.pk)
        first = function.active_version
        draft = save_version(actor=play.cast.developer, function=function, source=f"{SHOUT}#", activate=False)
        activate_version(actor=play.cast.developer, version=draft)
        roll_back(actor=play.cast.developer, version=first)
    assert [each.data["version"] for each in play.events("function.updated")] == [2]
    assert [each.data["version"] for each in play.events("function.activated")] == [1, 2, 1]


def test_what_a_task_makes_for_itself_is_nobodys_news(play: Play) -> None:
    provenance = Provenance(origin=Origin.AGENT, task_id=uuid4(), model="big", prompt="Do it.")
    with scope(play.cast.acme.pk):
        own = create_function(actor=play.cast.developer, source=SHOUT, provenance=provenance)
        own = Function.objects.select_related("active_version__function").get(pk=own.pk)
    run = begin(play, own, text="a")
    play.end(run)
    assert play.events() == []
    with scope(play.cast.acme.pk), pytest.raises(NobodyAgreed):
        emit_from_code(run, {"type": "order.paid", "data": {}})


def test_stored_files_are_named_in_an_event(play: Play, shout: Function) -> None:
    run = begin(play, shout, text="a")
    with scope(play.cast.acme.pk):
        file = Artifact.objects.create(run=run, name="out.csv", sha256="a" * 64, size=7, media_type="text/csv")
        emit("artifacts.stored", run_id=run.pk, artifacts=[file])
    [event] = play.events("artifact.stored")
    assert event.data["files"] == [
        {"id": str(file.pk), "name": "out.csv", "size": 7, "sha256": "a" * 64, "media_type": "text/csv"}
    ]
    assert (event.function, event.data["files_count"]) == (shout, 1)


@pytest.mark.parametrize(("kind", "count"), [("packages", 1), ("capabilities", 0)])
def test_packages_that_people_let_in_are_told(play: Play, kind: str, count: int) -> None:
    with scope(play.cast.acme.pk):
        emit("request.approved", request_id=uuid4(), kind=kind, digest="a", reason="Fine.")
    assert len(play.events("package.approved")) == count


def test_a_task_that_ended_is_told(play: Play) -> None:
    task_id = uuid4()
    with scope(play.cast.acme.pk):
        emit("task.finished", task_id=task_id, state="completed")
    [event] = play.events("task.completed")
    assert event.data == {"task": str(task_id), "state": "completed"}


def test_what_is_rolled_back_has_not_happened(play: Play) -> None:
    class Unlucky(Exception):
        pass

    with pytest.raises(Unlucky), scope(play.cast.acme.pk):
        emit_event(actor=play.cast.operator, type="order.paid", data={})
        raise Unlucky
    assert play.events() == []


def test_an_event_is_a_cloudevent(play: Play) -> None:
    event = play.emit(text="hello")
    envelope = event.as_cloudevent()
    assert {name: envelope[name] for name in ("specversion", "id", "type", "source", "datacontenttype", "data")} == {
        "specversion": "1.0", "id": str(event.pk), "type": "order.paid", "source": "/members/operator",
        "datacontenttype": "application/json", "data": {"text": "hello"},
    }  # fmt: skip
    assert all(name.isalnum() and name.islower() for name in envelope), "the standard's names of attributes"


@pytest.mark.parametrize(
    "name", ["run.succeeded", "function.mine", "task.done", "schedule.due", "webhook.x", "rule.x", "artifact.y"]
)
def test_nobody_tells_the_platforms_events_in_its_stead(play: Play, name: str) -> None:
    with pytest.raises(BadEventType, match="platform's own"):
        play.emit(name)


@pytest.mark.parametrize(
    "name", ["", "order", "Order.paid", "order..paid", "order.paid ", "order.paid\n", "a." + "b" * 100, "ö.p", "../a.b"]
)
def test_a_type_is_words_with_dots(play: Play, name: str) -> None:
    with pytest.raises(BadEventType):
        play.emit(name)


def test_data_are_bounded_and_keepable(play: Play) -> None:
    deep: dict[str, object] = {}
    for _ in range(70):
        deep = {"a": deep}
    for data, error in [
        ({"text": "x" * 70_000}, EventTooLarge), (deep, BadEventData), ({"a": "\x00"}, BadEventData), ([1], BadEventData),
    ]:  # fmt: skip
        with scope(play.cast.acme.pk), pytest.raises(error):
            emit_event(actor=play.cast.operator, type="order.paid", data=data)
    assert play.events() == []


def test_a_viewer_tells_nothing(play: Play) -> None:
    with scope(play.cast.acme.pk):
        with pytest.raises(PermissionMissing):
            emit_event(actor=play.cast.viewer, type="order.paid", data={})
        event = emit_event(actor=play.cast.operator, type="order.paid", data={})
        with pytest.raises(PermissionMissing):
            replay_event(actor=play.cast.viewer, event_id=event.pk)


def test_an_event_never_changes(play: Play) -> None:
    event = play.emit(n=1)
    with pytest.raises(IntegrityError), scope(play.cast.acme.pk):
        Event.objects.filter(pk=event.pk).update(data={"n": 2})


def test_a_strangers_event_is_not_found(play: Play) -> None:
    event = play.emit()
    with scope(play.cast.globex.pk), pytest.raises(NoSuchEvent):
        find_event(actor=play.cast.stranger, event_id=event.pk)


def test_a_past_event_told_again_is_a_new_one_that_names_it(play: Play) -> None:
    past = play.emit(n=1)
    with scope(play.cast.acme.pk):
        again = replay_event(actor=play.cast.operator, event_id=past.pk)
    assert (again.type, again.source, again.data, again.replay_of_id, again.depth) == (
        past.type,
        past.source,
        past.data,
        past.pk,
        0,
    )
    assert again.as_cloudevent()["replayof"] == str(past.pk)


def test_code_tells_events_in_its_chain_up_to_a_bound(play: Play, shout: Function, settings: object) -> None:
    settings.TRIGGER_EVENTS_PER_RUN = 3
    run = begin(play, shout, text="a")
    with scope(play.cast.acme.pk):
        run = Run.objects.select_related("function").get(pk=run.pk)
        Run.objects.filter(pk=run.pk).update(lease_until="2100-01-01T00:00:00Z")
        for number in range(3):
            emit_from_code(run, {"type": "order.paid", "data": {"n": number}})
        with pytest.raises(TooManyEvents, match="3 events"):
            emit_from_code(run, {"type": "order.paid", "data": {}})
        for payload, error in [
            ({"type": "run.failed"}, BadEventType),
            ({"type": "a.b", "data": 7}, BadEventData),
            ({}, BadEventType),
        ]:
            with pytest.raises(error):
                emit_from_code(run, payload)
    assert [event.data["n"] for event in play.events("order.paid")] == [0, 1, 2]


def test_code_that_is_tried_again_tells_what_has_a_key_once(play: Play, shout: Function) -> None:
    runs = [begin(play, shout, text=text) for text in "ab"]
    with scope(play.cast.acme.pk):
        Run.objects.update(lease_until="2100-01-01T00:00:00Z")
        first, other = Run.objects.select_related("function").order_by("id")
        told = [emit_from_code(run, {"type": "order.paid", "key": "7"}) for run in (first, first, other)]
        for key in (7, "x" * 101, "\x00"):
            with pytest.raises(BadEventData):
                emit_from_code(first, {"type": "order.paid", "key": key})
    assert (told[0] == told[1], told[0] == told[2], len(play.events("order.paid"))) == (True, False, len(runs))


def test_the_same_key_tells_one_event_and_another_event_is_refused(play: Play) -> None:
    told = {"type": "order.paid", "data": {"n": 1}, "idempotency_key": "a"}
    with scope(play.cast.acme.pk):
        first = emit_event(actor=play.cast.operator, **told)
        assert emit_event(actor=play.cast.operator, **told) == first
        assert emit_event(actor=play.cast.developer, **told) != first, "a key belongs to who uses it"
        with pytest.raises(KeyReused):
            emit_event(actor=play.cast.operator, **{**told, "data": {"n": 2}})
    assert len(play.events("order.paid")) == 2


def test_an_event_costs_as_many_statements_among_many_rules_as_among_few(play: Play, shout: Function) -> None:
    counts = []
    for number in (5, 500):
        with scope(play.cast.acme.pk):
            Rule.objects.bulk_create(
                [
                    Rule(name=f"{number} {each}", event_type=f"other.type_{each}", target=shout, owner=play.cast.developer)
                    for each in range(number)
                ]
            )
        with CaptureQueriesContext(connection) as queries:
            play.emit()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_rules_are_found_by_their_index(play: Play, shout: Function) -> None:
    with scope(play.cast.acme.pk):
        Rule.objects.bulk_create(
            [
                Rule(name=str(each), event_type=f"other.type_{each}", target=shout, owner=play.cast.developer)
                for each in range(2000)
            ]
        )
        event = Event(type="other.type_7", function=shout)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE triggers_rule")
        plan = Rule.objects.listening_to(event).values_list("pk", flat=True).explain()
    assert "triggers_rule_listening" in plan, plan
    assert "Seq Scan" not in plan
