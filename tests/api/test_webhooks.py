"""Webhooks over REST: made, used, rotated and removed by a program, and that bad input stores nothing."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from apps.core.tenancy import scope
from apps.triggers.models import Webhook
from apps.triggers.webhooks.receiving import NotTaken, receive
from apps.triggers.webhooks.schemes import Incoming, sign
from tests.api.conftest import Call, Caller
from tests.api.test_bad_input import count_rows


@pytest.fixture
def caller(cast: SimpleNamespace, by_token: Call) -> Caller:
    return by_token(cast.developer)


def send(cast: SimpleNamespace, made: dict[str, Any], body: bytes) -> Any:
    with scope(cast.acme.pk):
        webhook = Webhook.objects.get(pk=made["id"])
    headers = sign(webhook, body, made["secret"], message_id="msg_1", now=datetime.now(UTC))
    incoming = Incoming("POST", {"content-type": "application/json", **headers}, body)
    return receive(public_id=made["path"].removeprefix("/hooks/"), incoming=incoming, now=datetime.now(UTC))


def test_a_program_makes_a_webhook_and_reads_what_came(cast: SimpleNamespace, caller: Caller) -> None:
    answer = caller.post("/webhooks", {"name": "orders", "scheme": "hmac", "header": "X-Mark", "algorithm": "sha512"})
    made = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert (made["event_type"], made["header"], made["encoding"], len(made["secret"])) == ("webhook.orders", "x-mark", "hex", 64)
    receipt = send(cast, made, b'{"a": 1}')
    send(cast, made, b'{"a": 1}')
    address = f"/webhooks/{made['id']}"
    [event] = caller.get(f"{address}/deliveries").json()["items"]
    assert event["id"] == str(receipt.event_id)
    assert caller.get(f"/events/{event['id']}").json()["data"]["body"] == {"a": 1}
    shown = caller.get(address).json()
    assert [(each["reason"], each["count"]) for each in shown["refusals"]] == [("duplicate", 1)]
    assert "secret" not in shown
    tried = caller.post(f"{address}/test", {"body": '{"b": 2}'}).json()
    assert tried["event"]
    assert not tried["refusal"]
    assert "cannot be read" in caller.post(f"{address}/test", {"body": "{"}).json()["refusal"]
    assert caller.post(f"{address}/switch", {"is_active": False}).json()["is_active"] is False
    with pytest.raises(NotTaken):
        send(cast, made, b'{"c": 3}')
    assert caller.send("DELETE", address).status_code == 204
    assert caller.get(address).status_code == 404


def test_the_secret_before_ends_at_once_when_told_so(cast: SimpleNamespace, caller: Caller) -> None:
    made = caller.post("/webhooks", {"name": "orders", "scheme": "github"}).json()
    rotated = caller.post(f"/webhooks/{made['id']}/secret", {"overlap_hours": 0}).json()
    with pytest.raises(NotTaken):
        send(cast, made, b"[1]")
    assert send(cast, {**made, "secret": rotated["secret"]}, b"[1]")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "A B"}, 422, "bad_webhook"),
        ({"name": "orders", "scheme": "rot13"}, 422, "bad_webhook"),
        ({"name": "orders", "scheme": "none", "is_unsigned_accepted": True}, 403, "token_cannot"),
        ({"name": "orders", "scheme": "github", "secret": "a\x00bbbbbbbbbbb"}, 422, "bad_secret_value"),
        ({"name": "orders", "scheme": "github", "secret": "\ud800aaaaaaaaaaaa"}, 422, None),
        ({"name": "orders", "methods": ["GET"]}, 422, "bad_webhook"),
        ({"name": "orders", "max_bytes": 2**40}, 422, "invalid"),
        ({"name": "orders", "kept_headers": ["a"] * 50}, 422, "invalid"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(caller: Caller, body: dict[str, Any], status: int, code: str | None) -> None:
    before = count_rows()
    answer = caller.send("POST", "/webhooks", json.dumps(body))
    assert answer.status_code == status, answer.content
    assert code in (None, answer.json()["code"])
    assert count_rows() == before
