"""Runs over REST: found by filters, run again, and dealt with by the many."""

from types import SimpleNamespace

import pytest

from apps.core.tenancy import scope
from apps.runs.models import Run
from apps.runs.states import RunState
from tests.api.conftest import Call
from tests.dashboard.conftest import make_function, make_run


@pytest.fixture
def runs(cast: SimpleNamespace) -> SimpleNamespace:
    with scope(cast.acme.pk):
        shout, whisper = make_function(cast.developer), make_function(cast.owner, "whisper")
        return SimpleNamespace(
            loud=make_run(cast.developer, shout, arguments={"text": "hello"}, result="HELLO", state=RunState.SUCCEEDED),
            wait=make_run(cast.owner, shout, arguments={"text": "bye"}),
            quiet=make_run(cast.owner, whisper, arguments={"text": "hello"}, state=RunState.FAILED, message="No air."),
        )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["quiet", "wait", "loud"]),
        ({"function": "shout"}, ["wait", "loud"]),
        ({"state": "failed"}, ["quiet"]),
        ({"state": "open"}, ["wait"]),
        ({"arguments": "text = hello", "function": "shout"}, ["loud"]),
        ({"result": "= HELLO"}, ["loud"]),
        ({"q": "no air"}, ["quiet"]),
        ({"trigger": "schedule"}, []),
    ],
    ids=str,
)
def test_filters_are_those_of_the_page(cast, runs, by_token: Call, query, expected) -> None:
    answer = by_token(cast.viewer).get("/runs", **query)
    names = {str(run.pk): name for name, run in vars(runs).items()}
    assert [names[each["id"]] for each in answer.json()["items"]] == expected


def test_a_filter_by_person_and_time_goes_on_over_pages(cast, runs, by_token: Call) -> None:
    caller, query = by_token(cast.viewer), {"person": str(cast.owner.pk), "since": "2026-01-01", "limit": 1}
    first = caller.get("/runs", **query).json()
    second = caller.get("/runs", **query, after=first["next"]).json()
    assert [each["id"] for each in first["items"] + second["items"]] == [str(runs.quiet.pk), str(runs.wait.pk)]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"state": "nonsense"}, 422, "bad_filter"),
        ({"arguments": "{"}, 422, "bad_json"),
        ({"since": "soon"}, 422, "bad_filter"),
        ({"function": "nobody"}, 404, "no_such_function"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(cast, runs, by_token: Call, query, status: int, code: str) -> None:
    answer = by_token(cast.viewer).get("/runs", **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_run_is_run_again_with_edited_arguments_once_a_key(cast, things, by_token: Call) -> None:
    caller, path = by_token(cast.operator), f"/runs/{things.run.pk}/restart"
    first = caller.post(path, {"arguments": {"text": "again"}}, **{"Idempotency-Key": "k"})
    second = caller.post(path, {"arguments": {"text": "again"}}, **{"Idempotency-Key": "k"})
    assert (first.status_code, first.json()["trigger"], first.json()["id"]) == (202, "api", second.json()["id"])
    assert caller.get(f"/runs/{first.json()['id']}").json()["restarted_from"] == str(things.run.pk)
    wrong = caller.post(path, {"arguments": {"text": 7}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "arguments_invalid")


def test_many_are_asked_for_by_a_filter_and_looked_at(cast, runs, by_token: Call) -> None:
    caller = by_token(cast.operator)
    asked = caller.post("/bulk", {"kind": "cancel", "filter": {"function": "shout"}})
    assert (asked.status_code, asked.json()["state"], asked.json()["count"]) == (202, "queued", 1)
    assert asked.json()["filter"] == {"function": str(runs.loud.function_id)}
    assert caller.get(f"/bulk/{asked.json()['id']}").json() == asked.json()
    assert caller.get("/bulk").json()["items"] == [asked.json()]


def test_the_same_key_asks_once(cast, runs, by_token: Call) -> None:
    caller, body = by_token(cast.operator), {"kind": "rerun", "runs": [str(runs.loud.pk)]}
    answers = [caller.post("/bulk", body, **{"Idempotency-Key": "k"}).json()["id"] for _ in range(2)]
    assert answers[0] == answers[1]
    other = caller.post("/bulk", {**body, "kind": "cancel"}, **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "destroy", "filter": {}}, "bad_bulk"),
        ({"kind": "cancel"}, "bad_bulk"),
        ({"kind": "cancel", "runs": ["{run_id}"], "filter": {}}, "bad_bulk"),
        ({"kind": "cancel", "filter": {"state": "nonsense"}}, "bad_filter"),
        ({"kind": "cancel", "filter": {"state": "succeeded"}}, "no_runs"),
        ({"kind": "rerun", "runs": ["x"]}, "invalid"),
    ],
    ids=str,
)
def test_a_request_that_makes_no_sense_asks_for_nothing(cast, runs, by_token: Call, body, code: str) -> None:
    body = {**body, **({"runs": [str(runs.loud.pk)]} if body.get("runs") == ["{run_id}"] else {})}
    answer = by_token(cast.operator).post("/bulk", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert by_token(cast.operator).get("/bulk").json()["items"] == []


def test_a_stranger_sees_and_reaches_none_of_it(cast, runs, by_token: Call) -> None:
    asked = by_token(cast.operator).post("/bulk", {"kind": "cancel", "filter": {}}).json()
    stranger = by_token(cast.stranger)
    assert stranger.get(f"/bulk/{asked['id']}").status_code == 404
    assert stranger.get("/bulk").json()["items"] == []
    assert stranger.post(f"/runs/{runs.loud.pk}/restart").status_code == 404
    with scope(cast.acme.pk):
        assert Run.objects.count() == 3
