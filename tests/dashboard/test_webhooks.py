"""Pages of webhooks: the secret that is shown once, the tester, what is said where something is wrong."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.tenancy import scope
from apps.triggers.models import Event, Rule, Webhook
from apps.triggers.webhooks.receiving import NotTaken, count_refusal
from apps.triggers.webhooks.services import send_test

NEW = {"name": "payments", "scheme": "stripe", "methods": ["POST"], "max_kib": "64", "most_per_minute": "60"}


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def address(name: str, webhook: Webhook) -> str:
    return reverse(name, kwargs={"slug": "acme", "webhook_id": webhook.pk})


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("apps.core.dispatch._send", found.append)
    return found


def test_a_new_secret_is_shown_once_and_in_the_lines_to_paste(cast: SimpleNamespace, sign_in: Any) -> None:
    client = sign_in(cast.developer)
    made = client.post("/w/acme/webhooks/", NEW)
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    assert "it is not shown again" in text_of(made)
    [secret] = re.findall(r"<code class=\"preserve\">([0-9a-f]{64})</code>", made.content.decode())
    assert f"secret={secret}" in text_of(made)
    with scope(cast.acme.pk):
        webhook = Webhook.objects.get()
    shown = client.get(address("webhook-detail", webhook))
    assert secret not in shown.content.decode()
    assert "Put its secret in the place of THE SECRET" in text_of(shown)
    assert f"http://testserver/hooks/{webhook.public_id}" in text_of(shown)
    rotated = client.post(address("webhook-rotate", webhook), {"overlap": "24"})
    assert (rotated.status_code, rotated["Cache-Control"]) == (200, "no-store")
    assert len(re.findall(r"secret=[0-9a-f]{64}", rotated.content.decode())) >= 1
    assert "Old secret" in text_of(rotated)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "Two words"}, "one word of small letters"),
        ({"scheme": "none"}, "say that you accept it"),
        ({"scheme": "standard", "secret": "wrong wrong"}, "Copy it whole"),
        ({"kept_headers": "Cookie"}, "is never kept"),
        ({"content_types": "json"}, "such as application/json"),
        ({"max_kib": "999999"}, "bytes"),
        ({"methods": []}, "This field is required"),
    ],
)
def test_a_mistake_is_said_beside_the_form_and_nothing_is_made(cast, sign_in, changes: dict[str, Any], sentence: str) -> None:
    answer = sign_in(cast.developer).post("/w/acme/webhooks/", {**NEW, **changes})
    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert "wrong wrong" not in answer.content.decode()
    with scope(cast.acme.pk):
        assert not Webhook.objects.exists()


def test_the_tester_shows_what_came_of_the_test(cast: SimpleNamespace, things: SimpleNamespace, sign_in: Any) -> None:
    client = sign_in(cast.operator)
    with scope(cast.acme.pk):
        Rule.objects.filter(pk=things.rule.pk).update(event_type="webhook.orders")
    sent = client.post(address("webhook-test", things.webhook), {"body": '{"text": "a"}', "content_type": "application/json"})
    assert sent.status_code == 302
    shown = client.get(sent["Location"].partition("#")[0])
    assert "What came of the test" in text_of(shown)
    assert things.rule.name in text_of(shown)
    assert "as a test" in text_of(shown)
    with scope(cast.acme.pk):
        assert Event.objects.get(webhook=things.webhook).data["body"] == {"text": "a"}
    refused = client.post(address("webhook-test", things.webhook), {"body": "{", "content_type": "application/json"})
    assert refused.status_code == 422
    assert "cannot be read" in text_of(refused)
    assert "Said to be JSON, and none that can be read." in text_of(refused), "and it is counted"


def test_what_it_takes_is_changed_in_the_form(cast: SimpleNamespace, things: SimpleNamespace, sign_in: Any) -> None:
    given = {
        "methods": ["POST", "PUT"],
        "content_types": "application/json, text/plain",
        "kept_headers": "X-Shop",
        "max_kib": "8",
        "most_per_minute": "5",
    }
    assert sign_in(cast.developer).post(address("webhook-detail", things.webhook), given).status_code == 302
    with scope(cast.acme.pk):
        found = Webhook.objects.get(pk=things.webhook.pk)
    assert (found.methods, found.content_types, found.kept_headers) == (
        ["POST", "PUT"],
        ["application/json", "text/plain"],
        ["x-shop"],
    )
    assert (found.max_bytes, found.most_per_minute) == (8 * 1024, 5)


def test_who_may_only_look_is_offered_nothing_to_press(cast: SimpleNamespace, things: SimpleNamespace, sign_in: Any) -> None:
    shown = sign_in(cast.viewer).get(address("webhook-detail", things.webhook)).content.decode()
    for word in ("Send a test", "Switch off", "Rotate", "Remove"):
        assert word not in shown


def test_a_foreign_event_in_the_address_shows_nothing(cast, things, foreign, sign_in) -> None:
    client = sign_in(cast.developer)
    for event in (things.event.pk, foreign.event.pk, "nonsense"):
        shown = client.get(address("webhook-detail", things.webhook), {"event": str(event)})
        assert (shown.status_code, "What came of the test" in text_of(shown)) == (200, False)


def test_a_webhooks_page_asks_the_same_however_much_it_took(cast: SimpleNamespace, things: SimpleNamespace, sign_in: Any) -> None:
    client = sign_in(cast.developer)

    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address("webhook-detail", things.webhook)).status_code == 200
        return len(asked)

    def take(number: int) -> None:
        with scope(cast.acme.pk):
            given: dict[str, Any] = {"actor": cast.developer, "webhook_id": things.webhook.pk, "content_type": "text/plain"}
            send_test(body=f"{number}".encode(), now=datetime.now(UTC), **given)
            count_refusal(things.webhook, NotTaken("off" if number % 2 else "not_verified"))

    take(1)
    statements()
    few = statements()
    for number in range(2, 22):
        take(number)
    assert statements() == few
