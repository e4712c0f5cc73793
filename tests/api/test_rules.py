"""Events, rules and schedules over REST: what programs are told, and that bad input stores nothing."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from apps.triggers.work import perform_next_delivery
from tests.api.conftest import Call, Caller
from tests.api.test_bad_input import count_rows

RULE = {"name": "Shout", "event_type": "order.paid", "target": "shout", "arguments": {"text": "event.data.text"}}


@pytest.fixture
def caller(cast: SimpleNamespace, by_token: Call) -> Caller:
    made = by_token(cast.developer)
    made.post("/functions", {"source": "def shout(text: str) -> str:\n    return text.upper()\n"})
    return made


def test_a_rule_is_written_met_and_read_again(caller: Caller) -> None:
    rule = caller.post("/rules", {**RULE, "condition": "event.data.n > 3"}).json()
    assert (rule["target"], rule["owner"], rule["is_active"], rule["warning"]) == ("shout", "developer", True, "")
    for n in (1, 5):
        caller.post("/events", {"type": "order.paid", "data": {"text": "a", "n": n}})
    while perform_next_delivery():
        pass
    met, skipped = caller.get(f"/rules/{rule['id']}/deliveries").json()["items"]
    assert (met["state"], skipped["state"], skipped["run"]) == ("started", "skipped", None)
    assert caller.get(f"/rules/{rule['id']}/deliveries", state="skipped").json()["items"] == [skipped]
    assert caller.get(f"/runs/{met['run']}").json()["function"] == "shout"
    event = caller.get(f"/events/{met['event']}").json()
    assert (event["specversion"], event["data"], event["deliveries"]) == ("1.0", {"text": "a", "n": 5}, [met])


def test_a_rule_is_tried_before_it_is_stored(caller: Caller) -> None:
    caller.post("/events", {"type": "order.paid", "data": {"text": "a"}})
    before = count_rows()
    [trial] = caller.post("/rules/try", RULE).json()
    assert (trial["holds"], trial["arguments"], trial["problem"]) == (True, {"text": "a"}, "")
    assert count_rows() == before


def test_a_circle_is_told_in_the_answer(caller: Caller) -> None:
    answer = caller.post("/rules", {**RULE, "event_type": "run.failed", "arguments": {"text": "'a'"}}).json()
    assert answer["warning"] == "These rules may start one another in a circle: Shout."


def test_a_rule_is_changed_switched_and_removed(caller: Caller) -> None:
    address = f"/rules/{caller.post('/rules', RULE).json()['id']}"
    changed = caller.send("PUT", address, json.dumps({**RULE, "condition": "event.data.n == 1", "most_per_minute": 5})).json()
    assert (changed["condition"], changed["most_per_minute"]) == ("event.data.n == 1", 5)
    assert caller.post(f"{address}/switch", {"is_active": False}).json()["is_active"] is False
    assert caller.post(f"{address}/fire", {"data": {"text": "a"}}).json()["kind"] == "fire"
    assert caller.send("DELETE", address).status_code == 204
    assert caller.get(address).status_code == 404


BAD_RULES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no expression": ({"condition": "event.data.n >"}, 422, "expressions_invalid", "it ends too early"),
    "a bomb of loops": ({"condition": ".map(a, ".join(["[1, 2]"] * 5) + "a" + ")" * 4}, 422, "expressions_invalid", "3 times"),
    "brackets without end": ({"condition": "(" * 300 + "1" + ")" * 300}, 422, "expressions_invalid", "16 deep"),
    "an endless text": ({"condition": "1" * 5000}, 422, "expressions_invalid", "1000 characters"),
    "another's words": ({"condition": "settings.SECRET_KEY == 'a'"}, 422, "expressions_invalid", "no “settings”"),
    "a missing argument": ({"arguments": {}}, 422, "expressions_invalid", "required"),
    "no such function": ({"target": "whisper"}, 404, "no_such_function", "whisper"),
    "no such function to be about": ({"function": "whisper"}, 404, "no_such_function", "whisper"),
    "no such type": ({"event_type": "run.flown"}, 422, "bad_event_type", "run.flown"),
    "no such schedule": ({"event_type": "schedule.nightly"}, 422, "bad_rule", "nightly"),
    "no name": ({"name": " "}, 422, "bad_rule", "name"),
    "a limit that cannot be": ({"most_running": 0}, 422, "invalid_request", ""),
}


@pytest.mark.parametrize("name", BAD_RULES)
def test_a_bad_rule_is_refused_with_a_sentence(caller: Caller, name: str) -> None:
    changes, status, code, words = BAD_RULES[name]
    before = count_rows()
    answer = caller.post("/rules", {**RULE, **changes})
    told = answer.json()
    assert (answer.status_code, words in told["title"]) == (status, True), told
    assert told["code"] == code or code == "invalid_request"
    assert count_rows() == before


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "run.succeeded"}, 422),
        ({"type": "order"}, 422),
        ({"type": "order.paid", "data": {"text": "x" * 70_000}}, 413),
        ({"type": "order.paid", "data": nested(80)}, 422),
        ({"type": "order.paid", "data": {"a": "\x00"}}, 422),
        ({"type": "order.paid", "data": [1]}, 422),
        ({"type": "order.paid", "subject": "\x00"}, 422),
        ({"type": "order.paid", "subject": "x" * 301}, 422),
    ],
)
def test_a_bad_event_is_refused_and_nothing_is_stored(caller: Caller, body: dict[str, Any], status: int) -> None:
    before = count_rows()
    assert caller.post("/events", body).status_code == status
    assert count_rows() == before


def test_bytes_that_are_no_text_are_no_event(caller: Caller) -> None:
    before = count_rows()
    assert 400 <= caller.send("POST", "/events", b'{"type": "order.paid", "data": {"a": "\xff\xfe"}}').status_code < 500
    assert count_rows() == before


def test_the_same_key_tells_one_event(caller: Caller) -> None:
    body = {"type": "order.paid", "data": {"n": 1}}
    first, again = (caller.post("/events", body, idempotency_key="a").json() for _ in range(2))
    assert first == again
    other = caller.post("/events", {**body, "data": {"n": 2}}, idempotency_key="a")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_an_event_is_told_again(caller: Caller) -> None:
    past = caller.post("/events", {"type": "order.paid", "data": {"n": 1}}).json()
    again = caller.post(f"/events/{past['id']}/replay").json()
    assert (again["replay_of"], again["type"], again["id"] == past["id"]) == (past["id"], "order.paid", False)
    found = caller.get("/events", type="order.paid").json()["items"]
    assert [each["id"] for each in found] == [again["id"], past["id"]]
    assert caller.get("/events", search="nothing").json()["items"] == []


def test_a_schedule_tells_its_next_times(caller: Caller) -> None:
    made = caller.post("/schedules", {"name": "every_morning", "cron": "0 9 * * *", "time_zone": "Asia/Tokyo"}).json()
    assert (made["event_type"], made["catch_up"], len(made["next"])) == ("schedule.every_morning", "last", 5)
    assert all(each.endswith("09:00:00+09:00") for each in made["next"])
    for changes in ({"cron": "61 * * * *"}, {"time_zone": "Mars"}, {"catch_up": "some"}, {"name": "Every Morning"}):
        answer = caller.post("/schedules", {"name": "another", "cron": "0 9 * * *", **changes})
        assert answer.status_code == 422, changes
    assert caller.post("/schedules", {"name": "every_morning", "cron": "0 9 * * *"}).status_code == 409
