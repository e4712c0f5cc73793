"""/hooks/ over ASGI: what senders are answered, bodies that are too large or too slow, and waiting without holding anything."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection

from apps.api import hook_waiting, hooks
from apps.api.hooks import Hooks
from apps.core.tenancy import scope
from apps.functions.services import create_function, find_function
from apps.runs import transitions
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.triggers.models import Event, Rule, Webhook
from apps.triggers.services import RuleDraft, create_rule
from apps.triggers.webhooks.drafts import WebhookDraft
from apps.triggers.webhooks.schemes import sign
from apps.triggers.webhooks.services import create_webhook
from apps.triggers.work import perform_next_delivery
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class Outside:
    """A sender, its webhook in acme, and the ASGI application as a server would call it."""

    def __init__(self, cast: SimpleNamespace, webhook: Webhook, secret: str) -> None:
        self.cast, self.webhook, self.secret = cast, webhook, secret
        self.handed_on: list[str] = []

    def headers(self, body: bytes, message_id: str = "msg_1") -> dict[str, str]:
        signed = sign(self.webhook, body, self.secret, message_id=message_id, now=datetime.now(UTC))
        return {"content-type": "application/json", **signed}

    async def call(
        self, *pieces: bytes, path: str = "", query: str = "", method: str = "POST", headers: dict[str, str] | None = None,
        hangs_up: asyncio.Event | None = None,
    ) -> SimpleNamespace:  # fmt: skip
        body = b"".join(pieces)
        given = self.headers(body) if headers is None else headers
        request = {
            "type": "http", "method": method, "path": path or self.webhook.path, "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        }  # fmt: skip
        messages = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)} for number, piece in enumerate(pieces, 1)
        ]
        answer = SimpleNamespace(status=0, headers={}, body=b"", read=0)

        async def receive() -> dict[str, Any]:
            if messages:
                answer.read += 1
                return messages.pop(0)
            await (hangs_up or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], dict(message["headers"])
            else:
                answer.body += message["body"]

        async def application(scope: Any, receive: Any, send: Any) -> None:
            self.handed_on.append(scope["path"])

        await Hooks(application)(request, receive, send)
        answer.json = json.loads(answer.body) if answer.body else None
        return answer

    def holds_an_event(self) -> bool:
        with scope(self.cast.acme.pk):
            return Event.objects.filter(type="webhook.received").exists()

    @sync_to_async(thread_sensitive=False)
    def count_events(self) -> int:
        with scope(self.cast.acme.pk):
            return Event.objects.filter(type="webhook.received").count()


@pytest.fixture
def outside(transactional_cast: SimpleNamespace) -> Outside:
    cast = transactional_cast
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source="def shout(text: str) -> str:\n    return text.upper()\n")
        shout = find_function(actor=cast.developer, name=function.name)
        assert shout is not None
        draft = RuleDraft(
            name="Shout", event_type="webhook.received", target=shout, arguments={"text": "event.data.body.text"},
            most_per_minute=1000, most_running=100,
        )  # fmt: skip
        create_rule(actor=cast.developer, draft=draft)
        return Outside(cast, *create_webhook(actor=cast.developer, draft=WebhookDraft(name="orders")))


@sync_to_async(thread_sensitive=False)
def work(cast: SimpleNamespace, result: str | None = None) -> None:
    """What a worker would do: the rule's delivery, and the run if `result` says what it gives."""
    while perform_next_delivery():
        pass
    if result is not None:
        with scope(cast.acme.pk):
            for run in Run.objects.open():
                assert transitions.move(run, from_states=(RunState.QUEUED,), to_state=RunState.SUCCEEDED, result=result)
    connection.close()


async def until(condition: Callable[[], object]) -> None:
    """Looks from another thread, so that this one's loop goes on."""
    await sync_to_async(wait_for, thread_sensitive=False)(condition)


BODY = b'{"text": "hello"}'


async def test_a_sender_is_answered_at_once_with_the_event(outside: Outside) -> None:
    answer = await outside.call(BODY)
    assert (answer.status, answer.json["is_duplicate"]) == (202, False)
    assert answer.headers[b"cache-control"] == b"no-store"
    again = await outside.call(BODY)
    assert (again.status, again.json) == (200, {"event": answer.json["event"], "is_duplicate": True})
    assert await outside.count_events() == 1


async def test_every_other_address_is_handed_on(outside: Outside) -> None:
    await outside.call(path="/w/acme/")
    assert outside.handed_on == ["/w/acme/"]


async def test_the_uniform_answer_holds_over_http(outside: Outside) -> None:
    forged = {**outside.headers(BODY), "webhook-signature": "v1,AAAA"}
    found = [
        await outside.call(BODY, headers=forged),
        await outside.call(BODY, path="/hooks/" + "A" * 22),
        await outside.call(BODY, path="/hooks/../x"),
        await outside.call(b"\xff" * 1000, headers={}),
    ]
    assert {(each.status, each.body, each.headers[b"content-type"]) for each in found} == {
        (404, found[0].body, b"application/problem+json")
    }
    assert await outside.count_events() == 0


@pytest.mark.parametrize("path", ["", "/hooks/" + "A" * 22])
async def test_ten_megabytes_are_refused_before_they_are_read_at_any_address(outside: Outside, path: str) -> None:
    ten = 10 * 1024 * 1024
    declared = await outside.call(b"a", path=path, headers={"content-length": str(ten)})
    assert (declared.status, declared.json["code"], declared.read) == (413, "body_too_large", 0)
    lying = await outside.call(*[b"a" * 65536] * 160, path=path, headers={})
    assert (lying.status, lying.read) == (413, 17), "one piece more than a megabyte"
    assert (await outside.call(b"a", path=path, headers={"content-length": "²"})).status == 413
    assert await outside.count_events() == 0


@pytest.mark.parametrize("path", ["", "/hooks/" + "A" * 22])
async def test_what_changes_nothing_elsewhere_changes_nothing_here(outside: Outside, path: str) -> None:
    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        assert (await outside.call(b"", path=path, method=method)).status == 405


async def test_a_body_that_does_not_come_is_not_waited_for(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "READ_SECONDS", 0.05)
    assert (await outside.call(headers={})).status == 408


async def test_a_sender_that_hangs_up_in_the_middle_leaves_nothing(outside: Outside) -> None:
    gone = asyncio.Event()
    gone.set()
    answer = await outside.call(headers=outside.headers(BODY), hangs_up=gone)
    assert (answer.status, answer.body) == (0, b"")
    assert await outside.count_events() == 0


@pytest.mark.parametrize("text", [b'{"text": \xff}', b'{"text": 1, "text": 2}', b"[" * 5000])
async def test_a_signed_body_that_cannot_be_read_is_told_so_and_half_stores_nothing(outside: Outside, text: bytes) -> None:
    answer = await outside.call(text)
    assert (answer.status, answer.json["code"]) == (400, "bad_body")
    assert await outside.count_events() == 0


async def test_what_breaks_here_is_nobodys_business_outside(outside: Outside, settings: Any) -> None:
    settings.VAULT_ROOT_KEY = "bm90IHRoZSBrZXk="
    answer = await outside.call(BODY)
    assert (answer.status, answer.json["title"]) == (500, "Something went wrong here. Send it again.")
    assert await outside.count_events() == 0


async def test_a_sender_that_waits_gets_the_result_of_the_run(outside: Outside) -> None:
    waiting = asyncio.create_task(outside.call(BODY, query="wait=20"))
    await until(outside.holds_an_event)
    await work(outside.cast, "HELLO")
    answer = await waiting
    assert (answer.status, answer.json["is_complete"]) == (200, True)
    [run] = answer.json["runs"]
    assert (run["rule"], run["function"], run["state"], run["result"]) == ("Shout", "shout", "succeeded", "HELLO")
    again = await outside.call(BODY, query="wait=20")
    assert (again.status, again.json["is_duplicate"], again.json["runs"]) == (200, True, answer.json["runs"])


async def test_what_takes_longer_than_the_wait_is_answered_202(outside: Outside) -> None:
    answer = await outside.call(BODY, query="wait=0.1")
    assert (answer.status, answer.json["is_complete"], answer.json["runs"][0]["state"]) == (202, False, "queued")


async def test_where_no_rule_waits_nobody_waits(outside: Outside) -> None:
    @sync_to_async(thread_sensitive=False)
    def forget() -> None:
        with scope(outside.cast.acme.pk):
            Rule.objects.all().delete()

    await forget()
    answer = await outside.call(BODY, query="wait=20")
    assert (answer.status, answer.json["is_complete"], answer.json["runs"]) == (200, True, [])


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", ""])
async def test_a_wait_that_is_no_time_is_refused_before_anything_is_stored(outside: Outside, wait: str) -> None:
    answer = await outside.call(BODY, query=f"wait={wait}")
    expected = (202, None) if not wait else (400, "bad_wait")
    assert (answer.status, answer.json.get("code")) == expected


async def test_waiting_is_bounded_in_time_and_in_number(outside: Outside, settings: Any) -> None:
    settings.WEBHOOK_WAIT_SECONDS = 0.1
    async with asyncio.timeout(10):
        assert (await outside.call(BODY, query="wait=3600")).status == 202
    settings.WEBHOOK_WAITING = 0
    answer = await outside.call(BODY, query="wait=10")
    assert answer.status == 202
    assert "Too many" in answer.json["note"]
    assert hook_waiting._places["taken"] == 0


async def test_those_who_wait_hold_neither_threads_nor_connections(outside: Outside) -> None:
    """More wait than there are threads to wait in and connections to wait with, and others are answered meanwhile."""
    bodies = [json.dumps({"text": f"{number}"}).encode() for number in range(40)]
    waiting = [
        asyncio.create_task(outside.call(body, query="wait=20", headers=outside.headers(body, f"msg_{number}")))
        for number, body in enumerate(bodies, 100)
    ]
    await until(lambda: hook_waiting._places["taken"] == len(bodies))
    assert settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"] < len(bodies)
    assert (await outside.call(BODY)).status == 202
    await work(outside.cast, "DONE")
    answers = await asyncio.gather(*waiting)
    assert {(each.status, each.json["runs"][0]["result"]) for each in answers} == {(200, "DONE")}
    assert hook_waiting._places["taken"] == 0


async def test_who_hangs_up_while_waiting_frees_its_place(outside: Outside) -> None:
    gone = asyncio.Event()
    waiting = asyncio.create_task(outside.call(BODY, query="wait=20", hangs_up=gone))
    await until(lambda: hook_waiting._places["taken"])
    gone.set()
    async with asyncio.timeout(5):
        await waiting
    assert hook_waiting._places["taken"] == 0
    assert await outside.count_events() == 1
