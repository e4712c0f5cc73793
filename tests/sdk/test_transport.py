"""What is tried again and what never is, and how failures are told. Against a server that answers as the test says."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from selfsmith import Client, Conflict, Forbidden, Invalid, NotFound, NotSignedIn, Refused, Retries, TooManyRequests, Unreachable
from selfsmith.errors import UnexpectedAnswer

TOKEN = "sst_a-token-of-the-tests"
PROBLEM = {"title": "There is no function shout here.", "code": "no_such_function", "status": 404, "details": {"name": "shout"}}
RUN = {
    "id": "0198f4a0-0000-7000-8000-000000000001", "function": "shout", "version": 1, "state": "succeeded", "attempt": 1,
    "message": "", "result": "HI", "error": None, "kernel": "", "seconds": 0.1, "created_at": "2026-01-02T03:04:05Z",
    "started_at": None, "finished_at": None,
}  # fmt: skip
EVENT = {
    "id": RUN["id"], "type": "order.paid", "source": "s", "subject": "", "time": "2026-01-02T03:04:05Z", "function": None,
    "run": None, "replay_of": None, "root": None, "depth": 0,
}  # fmt: skip


class Server:
    """Answers with one after the other of what it was given, the last again and again; remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **settings: Any) -> Client:
        http = httpx.Client(transport=httpx.MockTransport(self))
        return Client("https://selfsmith.test", TOKEN, http=http, sleep=self.pauses.append, **settings)


def in_trouble(status: int = 503, **headers: str) -> httpx.Response:
    return httpx.Response(status, text="in trouble", headers={name.replace("_", "-"): text for name, text in headers.items()})


LOST = httpx.ReadError("the connection broke")
READS: dict[str, Callable[[Client], Any]] = {
    "a look": lambda client: client.runs.get(RUN["id"]),
    "the begin of a run": lambda client: client.functions.start("shout", {"text": "hi"}),
    "an event": lambda client: client.events.emit("order.paid"),
    "a cancellation": lambda client: client.runs.cancel(RUN["id"]),
}
WRITES: dict[str, Callable[[Client], Any]] = {
    "a new function": lambda client: client.functions.create("def a(): ..."),
    "a task": lambda client: client.tasks.create("Do it."),
    "a rule": lambda client: client.rules.create(name="a", event_type="a.b", target="c"),
    "a document on a condition": lambda client: client.store.put("a", "b", 1, is_new=True),
}


@pytest.mark.parametrize("trouble", [in_trouble(502), in_trouble(503), in_trouble(504), LOST], ids=str)
@pytest.mark.parametrize("what", ["the begin of a run", "an event", "a cancellation"])
def test_what_may_be_done_twice_is_tried_again(what: str, trouble: Any) -> None:
    good = httpx.Response(200, json=EVENT if what == "an event" else RUN)
    server = Server(trouble, trouble, good)
    READS[what](server.client())
    assert len(server.asked) == 3
    assert len(server.pauses) == 2


@pytest.mark.parametrize("what", ["the begin of a run", "an event"])
def test_all_tries_of_what_begins_something_carry_one_key_and_two_calls_two(what: str) -> None:
    good = httpx.Response(200, json=EVENT if what == "an event" else RUN)
    server = Server(in_trouble(), good)
    client = server.client()
    READS[what](client)
    READS[what](client)
    first, again, second = (request.headers["Idempotency-Key"] for request in server.asked)
    assert first == again != second


@pytest.mark.parametrize("trouble", [in_trouble(503), LOST], ids=str)
@pytest.mark.parametrize("what", WRITES)
def test_what_may_have_been_done_is_never_done_again(what: str, trouble: Any) -> None:
    server = Server(trouble)
    with pytest.raises(Unreachable):
        WRITES[what](server.client())
    assert len(server.asked) == 1


@pytest.mark.parametrize("what", WRITES)
def test_what_never_left_this_machine_is_tried_again_whatever_it_is(what: str) -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(Unreachable):
        WRITES[what](server.client())
    assert len(server.asked) == Retries().attempts


@pytest.mark.parametrize("what", [*READS, *WRITES])
def test_a_limit_is_waited_for_as_long_as_the_platform_says(what: str) -> None:
    server = Server(httpx.Response(429, headers={"Retry-After": "7"}, json={"title": "Too many.", "code": "limit_reached"}))
    with pytest.raises(TooManyRequests):
        {**READS, **WRITES}[what](server.client())
    assert server.pauses == [7.0] * (Retries().attempts - 1)


def test_a_limit_that_lasts_too_long_is_told_at_once() -> None:
    server = Server(httpx.Response(429, headers={"Retry-After": "3600"}, json={"title": "Too many.", "code": "limit_reached"}))
    with pytest.raises(TooManyRequests, match="Too many"):
        server.client().functions.start("shout")
    assert server.pauses == []


def test_pauses_grow_to_a_bound_and_are_drawn() -> None:
    retries = Retries(base=1.0, cap=4.0)
    for attempt, most in ((1, 1.0), (2, 2.0), (3, 4.0), (9, 4.0)):
        drawn = {retries.pause(attempt) for _ in range(50)}
        assert len(drawn) > 1
        assert 0 <= min(drawn) <= max(drawn) <= most


KINDS = {401: NotSignedIn, 403: Forbidden, 404: NotFound, 409: Conflict, 413: Invalid, 422: Invalid, 418: Refused}


@pytest.mark.parametrize("status", KINDS)
def test_a_refusal_carries_code_sentence_and_details(status: int) -> None:
    server = Server(httpx.Response(status, json={**PROBLEM, "status": status}))
    with pytest.raises(KINDS[status]) as caught:
        server.client().functions.get("shout")
    error = caught.value
    assert (error.message, error.code, error.status) == (PROBLEM["title"], "no_such_function", status)
    assert error.details == {"name": "shout"}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Sign in to the hotel's network</html>"),
        httpx.Response(302, headers={"Location": "https://elsewhere.test/"}),
        httpx.Response(404, text="nothing here"),
        httpx.Response(200, json={"id": "no id"}),
        httpx.Response(200, json=[]),
    ],
    ids=["a page", "a redirection", "no problem document", "other fields", "a list"],
)
def test_what_is_no_selfsmith_is_said_to_be_none(answer: httpx.Response) -> None:
    with pytest.raises(UnexpectedAnswer):
        Server(answer).client().functions.get("shout")


def test_a_redirection_takes_the_token_nowhere() -> None:
    server = Server(httpx.Response(307, headers={"Location": "https://elsewhere.test/"}))
    with pytest.raises(UnexpectedAnswer):
        server.client().functions.start("shout")
    assert {request.url.host for request in server.asked} == {"selfsmith.test"}


def test_names_stay_one_part_of_the_address() -> None:
    server = Server(httpx.Response(404, json=PROBLEM))
    with pytest.raises(NotFound):
        server.client().functions.get("../tokens?x=1#y")
    assert server.asked[0].url.raw_path == b"/api/v1/functions/..%2Ftokens%3Fx%3D1%23y"


def test_no_representation_and_no_error_shows_the_token() -> None:
    client = Server(LOST).client(retries=Retries(attempts=1))
    with pytest.raises(Unreachable) as caught:
        client.runs.get(RUN["id"])
    assert TOKEN not in f"{client!r} {vars(client)!r} {caught.value!r} {caught.value.__cause__!r}"


def test_fields_that_are_new_break_nothing() -> None:
    run = Server(httpx.Response(200, json={**RUN, "a_field_of_tomorrow": 1})).client().runs.cancel(RUN["id"])
    assert run.has_succeeded


def test_a_list_asks_for_its_next_page_when_it_is_needed() -> None:
    pages = [{"items": [RUN] * 2, "next": RUN["id"]}, {"items": [RUN], "next": None}]
    server = Server(*[httpx.Response(200, json=page) for page in pages])
    rows = server.client().runs.list()
    next(rows)
    assert len(server.asked) == 1
    assert len(list(rows)) == 2
    assert [request.url.params.get("after") for request in server.asked] == [None, RUN["id"]]


def test_a_list_that_is_bounded_asks_for_no_more() -> None:
    server = Server(httpx.Response(200, json={"items": [RUN] * 2, "next": RUN["id"]}))
    assert len(list(server.client().runs.list(limit=2))) == 2
    assert [request.url.params["limit"] for request in server.asked] == ["2"]
