"""What webhooks take and what they refuse: stored once and whole, or not at all; and who may do what with them."""

import json
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.triggers.models import Event, Scheme, Webhook, WebhookRefusal, WebhookSecret
from apps.triggers.services import BadRule, replay_event
from apps.triggers.states import DeliveryState
from apps.triggers.webhooks.bodies import BadBody
from apps.triggers.webhooks.drafts import BadWebhook, Intake, WeakWebhook, WebhookDraft
from apps.triggers.webhooks.outcomes import outcome_of
from apps.triggers.webhooks.receiving import (
    BodyTooLarge,
    ContentTypeNotTaken,
    MessageChanged,
    MethodNotTaken,
    NotTaken,
    Receipt,
    TooManyDeliveries,
    receive,
)
from apps.triggers.webhooks.schemes import BadWebhookSecret, Incoming, sign
from apps.triggers.webhooks.services import (
    NoSuchWebhook,
    WebhookNameTaken,
    create_webhook,
    delete_webhook,
    find_webhook,
    rotate_webhook_secret,
    send_test,
    switch_webhook,
    update_webhook,
)
from apps.vault.services import ValueTooShort
from apps.workspaces.services import PermissionMissing, TokenCannot
from tests.triggers.conftest import SHOUT, Play


class Sender:
    """A program outside that holds a secret of one of acme's webhooks."""

    def __init__(self, cast: SimpleNamespace, scheme: str = "standard", **draft: Any) -> None:
        self.cast = cast
        intake = {name: draft.pop(name) for name in list(draft) if name in Intake.__dataclass_fields__}
        given = {"name": "orders", "scheme": scheme, "is_unsigned_accepted": scheme in ("bearer", "none"), **draft}
        with scope(cast.acme.pk):
            made = create_webhook(actor=cast.developer, draft=WebhookDraft(**given), intake=Intake(**intake))
        self.webhook, self.secret = made
        self.count = 0

    def incoming(
        self, body: bytes | str = b'{"order": 7}', *, message_id: str = "", method: str = "POST", **headers: str
    ) -> Incoming:
        self.count += 1
        raw = body.encode() if isinstance(body, str) else body
        signed = sign(self.webhook, raw, self.secret, message_id=message_id or f"msg_{self.count}", now=datetime.now(UTC))
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return Incoming(method, {"content-type": "application/json", **signed, **given}, raw)

    def send(self, *args: Any, **kwargs: Any) -> Receipt:
        return self.pass_on(self.incoming(*args, **kwargs))

    def pass_on(self, incoming: Incoming) -> Receipt:
        return receive(public_id=self.webhook.public_id, incoming=incoming, now=datetime.now(UTC))

    def refused(self) -> dict[str, int]:
        with scope(self.cast.acme.pk):
            return dict(WebhookRefusal.objects.filter(webhook=self.webhook).values_list("reason", "count"))

    def switch(self, *, is_active: bool) -> None:
        with scope(self.cast.acme.pk):
            switch_webhook(actor=self.cast.developer, webhook_id=self.webhook.pk, is_active=is_active)


def test_what_is_sent_becomes_an_event_that_starts_a_run(play: Play) -> None:
    sender = Sender(play.cast, kept_headers=["X-Shop"])
    shout = play.function(SHOUT)
    rule = play.rule(
        "webhook.received", shout, condition='event.source == "/webhooks/orders"', arguments={"text": "event.data.body.name"}
    )
    receipt = sender.send('{"name": "ada"}', x_shop="7", cookie="session=1", authorization="Bearer x")
    assert not receipt.is_duplicate
    [event] = play.events("webhook.received")
    assert (event.pk, event.source, event.subject, event.webhook_id) == (
        receipt.event_id,
        "/webhooks/orders",
        "orders",
        sender.webhook.pk,
    )
    assert event.data["body"] == {"name": "ada"}
    assert event.data["headers"] == {"x-shop": "7"}, "no cookie, no signature"
    assert (event.data["encoding"], event.data["method"], event.data["content_type"]) == ("json", "POST", "application/json")
    assert not outcome_of(play.cast.acme.pk, event.pk).is_complete
    play.work_off()
    [delivery] = play.deliveries(rule)
    assert delivery.state == DeliveryState.STARTED
    play.end(delivery.run, result="ADA")
    outcome = outcome_of(play.cast.acme.pk, event.pk)
    assert outcome.is_complete
    assert [(each["rule"], each["function"], each["state"], each["result"]) for each in outcome.runs] == [
        (rule.name, "shout", "succeeded", "ADA")
    ]


def test_a_rule_may_wait_for_one_webhook_alone(play: Play) -> None:
    orders, others = Sender(play.cast), Sender(play.cast, name="others")
    shout = play.function(SHOUT)
    with pytest.raises(BadRule, match="no webhook “nothing”"):
        play.rule("webhook.nothing", shout, arguments={"text": "'a'"})
    rule = play.rule("webhook.orders", shout, arguments={"text": "event.data.webhook"})
    of_all = play.rule("webhook.received", shout, arguments={"text": "event.data.webhook"})
    for sender in (orders, others):
        sender.send()
    assert (len(play.deliveries(rule)), len(play.deliveries(of_all))) == (1, 2)
    with scope(play.cast.acme.pk):
        event = Event.objects.get(pk=play.deliveries(rule)[0].event_id)
        replay_event(actor=play.cast.operator, event_id=event.pk)
    assert len(play.deliveries(rule)) == 2


def test_an_unknown_address_a_wrong_signature_and_one_that_is_off_get_one_answer(cast: SimpleNamespace) -> None:
    sender = Sender(cast)
    good = sender.incoming()
    forged = Incoming("POST", {**good.headers, "webhook-signature": "v1,AAAA"}, good.body)
    answers = set()
    for public_id, incoming in [("A" * 22, good), ("'; --", good), ("\0" * 22, good), (sender.webhook.public_id, forged)]:
        with pytest.raises(NotTaken) as refusal:
            receive(public_id=public_id, incoming=incoming, now=datetime.now(UTC))
        answers.add((refusal.value.message, refusal.value.code, refusal.value.status, str(refusal.value.details)))
    sender.switch(is_active=False)
    for incoming in (sender.incoming(method="DELETE"), sender.incoming(b"{", content_type="a/b"), forged):
        with pytest.raises(NotTaken) as refusal:
            sender.pass_on(incoming)
        answers.add((refusal.value.message, refusal.value.code, refusal.value.status, str(refusal.value.details)))
    assert len(answers) == 1
    assert sender.refused() == {"not_verified": 2, "off": 2}
    with scope(cast.acme.pk):
        assert not Event.objects.exists()
    sender.switch(is_active=True)
    sender.pass_on(good)


@pytest.mark.parametrize("scheme", ["standard", "github", "stripe", "hmac"])
def test_the_same_message_is_told_once(cast: SimpleNamespace, scheme: str) -> None:
    sender = Sender(cast, scheme)
    incoming = sender.incoming('{"id": "evt_1", "order": 7}', message_id="msg_a")
    first = sender.pass_on(incoming)
    again = sender.pass_on(incoming)
    assert (again.event_id, again.is_duplicate, first.is_duplicate) == (first.event_id, True, False)
    renamed = Incoming("POST", {**incoming.headers, "x-github-delivery": "other", "idempotency-key": "other"}, incoming.body)
    assert sender.pass_on(renamed).is_duplicate, "an id that nobody signed makes no recording new"
    with scope(cast.acme.pk):
        assert Event.objects.count() == 1
    assert sender.refused() == {"duplicate": 2}
    assert not sender.send('{"id": "evt_2", "order": 8}').is_duplicate


def test_stripes_repetition_is_known_by_the_events_id_though_its_other_fields_have_changed(cast: SimpleNamespace) -> None:
    sender = Sender(cast, "stripe")
    first = sender.send('{"id": "evt_1", "pending_webhooks": 2}')
    again = sender.send('{"id": "evt_1", "pending_webhooks": 1}')
    assert (again.is_duplicate, again.event_id) == (True, first.event_id)


def test_another_message_under_an_id_that_had_come_is_told_to_be_wrong(cast: SimpleNamespace) -> None:
    sender = Sender(cast)
    sender.send("[1]", message_id="msg_a")
    with pytest.raises(MessageChanged):
        sender.send("[2]", message_id="msg_a")
    assert sender.refused() == {"message_changed": 1}


def test_the_same_id_at_two_webhooks_is_two_messages(cast: SimpleNamespace) -> None:
    for name in ("orders", "others"):
        assert not Sender(cast, name=name).send(message_id="msg_a").is_duplicate


@pytest.mark.parametrize("scheme", ["bearer", "none"])
def test_unsigned_messages_that_are_alike_are_told_each_unless_they_bring_an_id(cast: SimpleNamespace, scheme: str) -> None:
    sender = Sender(cast, scheme)
    plain = {name: value for name, value in sender.incoming().headers.items() if name != "webhook-id"}
    told = [sender.pass_on(Incoming("POST", plain, b"[1]")) for _ in range(2)]
    assert [each.is_duplicate for each in told] == [False, False]
    named = Incoming("POST", {**plain, "idempotency-key": "once"}, b"[1]")
    assert [sender.pass_on(named).is_duplicate for _ in range(2)] == [False, True]
    assert told[0].may_wait is (scheme == "bearer")


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_one_id_are_told_once(transactional_cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.core.dispatch._send", lambda kind: None)
    sender = Sender(transactional_cast)
    incoming = sender.incoming(message_id="msg_a")
    start, found = threading.Barrier(6), []

    def pass_on() -> None:
        start.wait()
        found.append(sender.pass_on(incoming))
        connection.close()

    threads = [threading.Thread(target=pass_on) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.event_id for each in found}) == 1
    assert sorted(each.is_duplicate for each in found) == [False] + [True] * 5
    with scope(transactional_cast.acme.pk):
        assert Event.objects.count() == 1
    assert sender.refused() == {"duplicate": 5}


def test_who_can_sign_is_told_what_was_wrong_and_nothing_of_it_is_kept(cast: SimpleNamespace) -> None:
    sender = Sender(cast, content_types=["application/json"], max_bytes=100)
    for kind, message, changes in [
        (MethodNotTaken, {}, {"method": "PUT"}),
        (ContentTypeNotTaken, {}, {"content_type": "text/plain"}),
        (BodyTooLarge, {"body": b'"' + b"a" * 200 + b'"'}, {}),
        (BadBody, {"body": b'{"a": \xff}'}, {}),
        (BadBody, {"body": b'{"a": 1, "a": 2}'}, {}),
        (BadBody, {"body": b"[" * 99}, {}),
    ]:
        with pytest.raises(kind):
            sender.send(**message, **changes)
    assert sender.refused() == {"method_not_taken": 1, "content_type_not_taken": 1, "body_too_large": 1, "bad_body": 3}
    with scope(cast.acme.pk):
        assert not Event.objects.exists()


def test_a_webhook_takes_so_many_a_minute_and_forgeries_do_not_count(cast: SimpleNamespace) -> None:
    sender = Sender(cast, most_per_minute=2)
    for _ in range(3):
        with pytest.raises(NotTaken):
            sender.pass_on(Incoming("POST", {}, b"{}"))
    incoming = sender.incoming()
    sender.pass_on(incoming)
    sender.send()
    with pytest.raises(TooManyDeliveries) as refusal:
        sender.send()
    assert refusal.value.details["retry_after"] == 60
    assert sender.pass_on(incoming).is_duplicate, "a repetition is answered all the same"
    assert sender.refused() == {"not_verified": 3, "too_many_deliveries": 1, "duplicate": 1}


def test_two_secrets_are_valid_for_a_while_after_a_rotation(cast: SimpleNamespace) -> None:
    sender = Sender(cast)
    old, now = sender.secret, datetime.now(UTC)
    with scope(cast.acme.pk):
        _, new = rotate_webhook_secret(actor=cast.developer, webhook_id=sender.webhook.pk, now=now, overlap=timedelta(hours=1))
    sender.send()
    sender.secret = new
    sender.send()
    with scope(cast.acme.pk):
        WebhookSecret.objects.filter(valid_until__isnull=False).update(valid_until=now - timedelta(seconds=1))
    sender.secret = old
    with pytest.raises(NotTaken):
        sender.send()
    with scope(cast.acme.pk):
        _, newest = rotate_webhook_secret(actor=cast.developer, webhook_id=sender.webhook.pk, now=now, overlap=timedelta())
        assert WebhookSecret.objects.count() == 1, "those before are destroyed"
    for secret, is_valid in ((new, False), (newest, True)):
        sender.secret = secret
        if is_valid:
            sender.send()
        else:
            with pytest.raises(NotTaken):
                sender.send()


def test_a_secret_lies_sealed_and_in_no_record(cast: SimpleNamespace) -> None:
    sender = Sender(cast, "github", secret="It's a Secret to Everybody")
    assert sender.secret == "It's a Secret to Everybody"
    with scope(cast.acme.pk):
        [row] = WebhookSecret.objects.all()
        assert b"Everybody" not in bytes(row.sealed) + bytes(row.sealed_key)
        records = [json.dumps(each.details) for each in AuditRecord.objects.filter(action__startswith="webhook.")]
    assert records
    assert "Everybody" not in "".join(records)
    assert "Everybody" not in repr(WebhookDraft(name="a", secret=sender.secret))


def test_a_test_is_taken_by_the_same_way_and_told_to_be_one(play: Play) -> None:
    sender = Sender(play.cast, "github")
    given: dict[str, Any] = {"webhook_id": sender.webhook.pk, "content_type": "application/json", "now": datetime.now(UTC)}
    with scope(play.cast.acme.pk):
        done = send_test(actor=play.cast.operator, body=b"[1]", **given)
        assert done.receipt is not None
        assert Event.objects.get().emitted_by_id == play.cast.operator.pk
        assert send_test(actor=play.cast.operator, body=b"[", **given).refusal.startswith("The body is said to be JSON")
    sender.switch(is_active=False)
    with scope(play.cast.acme.pk):
        assert send_test(actor=play.cast.operator, body=b"[2]", **given).refusal == "It was switched off."
        assert Event.objects.count() == 1
        with pytest.raises(PermissionMissing):
            send_test(actor=play.cast.viewer, body=b"[3]", **given)
    assert sender.refused() == {"bad_body": 1, "off": 1}


def test_that_nothing_is_signed_must_be_said_by_a_person(cast: SimpleNamespace) -> None:
    with scope(cast.acme.pk):
        for scheme in ("bearer", "none"):
            with pytest.raises(WeakWebhook, match="say that you accept it"):
                create_webhook(actor=cast.developer, draft=WebhookDraft(name="weak", scheme=scheme))
        cast.developer.is_token = True
        with pytest.raises(TokenCannot):
            create_webhook(actor=cast.developer, draft=WebhookDraft(name="weak", scheme="none", is_unsigned_accepted=True))


@pytest.mark.parametrize(
    ("draft", "intake"),
    [
        ({"name": "Two words"}, {}),
        ({"name": "received"}, {}),
        ({"name": "a" * 61}, {}),
        ({"scheme": "rot13"}, {}),
        ({"scheme": "hmac", "algorithm": "md5"}, {}),
        ({"scheme": "hmac", "encoding": "octal"}, {}),
        ({"scheme": "hmac", "header": "X Y"}, {}),
        ({"scheme": "hmac", "header": "Cookie"}, {}),
        ({"scheme": "hmac", "prefix": "a\nb"}, {}),
        ({}, {"methods": ["GET"]}),
        ({}, {"methods": []}),
        ({}, {"content_types": ["json"]}),
        ({}, {"kept_headers": ["a b"]}),
        ({}, {"kept_headers": ["Cookie"]}),
        ({}, {"kept_headers": ["Authorization"]}),
        ({}, {"kept_headers": ["Webhook-Signature"]}),
        ({"scheme": "hmac", "header": "X-Mark"}, {"kept_headers": ["X-Mark"]}),
        ({}, {"max_bytes": 0}),
        ({}, {"max_bytes": 2**31}),
        ({}, {"most_per_minute": 100_000}),
    ],
)
def test_what_a_webhook_cannot_be_is_refused(cast: SimpleNamespace, draft: dict[str, Any], intake: dict[str, Any]) -> None:
    with scope(cast.acme.pk), pytest.raises(BadWebhook):
        create_webhook(actor=cast.developer, draft=WebhookDraft(**{"name": "orders", **draft}), intake=Intake(**intake))


def test_names_are_taken_once_and_secrets_must_be_good(cast: SimpleNamespace) -> None:
    Sender(cast)
    with scope(cast.acme.pk):
        with pytest.raises(WebhookNameTaken):
            create_webhook(actor=cast.developer, draft=WebhookDraft(name="orders"))
        with pytest.raises(BadWebhookSecret):
            create_webhook(actor=cast.developer, draft=WebhookDraft(name="other", secret="not base64 at all"))
        with pytest.raises(ValueTooShort):
            create_webhook(actor=cast.developer, draft=WebhookDraft(name="third", scheme="github", secret="short"))


def test_developers_keep_webhooks_and_strangers_see_none(cast: SimpleNamespace) -> None:
    sender = Sender(cast)
    key = sender.webhook.pk
    acts = (
        lambda actor: update_webhook(actor=actor, webhook_id=key, intake=Intake()),
        lambda actor: switch_webhook(actor=actor, webhook_id=key, is_active=False),
        lambda actor: rotate_webhook_secret(actor=actor, webhook_id=key, now=datetime.now(UTC)),
        lambda actor: delete_webhook(actor=actor, webhook_id=key),
    )
    for act in acts:
        with scope(cast.acme.pk), pytest.raises(PermissionMissing):
            act(cast.operator)
        with scope(cast.globex.pk), pytest.raises(NoSuchWebhook):
            act(cast.stranger)
    with scope(cast.globex.pk), pytest.raises(NoSuchWebhook):
        find_webhook(actor=cast.stranger, webhook_id=key)


def test_what_a_webhook_takes_stays_in_its_workspace(play: Play) -> None:
    sender = Sender(play.cast)
    with scope(play.cast.globex.pk):
        theirs, _ = create_webhook(actor=play.cast.stranger, draft=WebhookDraft(name="orders"))
    with pytest.raises(NotTaken):
        receive(public_id=theirs.public_id, incoming=sender.incoming(), now=datetime.now(UTC))
    sender.send()
    with scope(play.cast.globex.pk):
        assert not Event.objects.exists()


def test_a_removed_webhook_takes_nothing_and_its_events_stay(cast: SimpleNamespace) -> None:
    sender = Sender(cast)
    sender.send()
    with scope(cast.acme.pk):
        delete_webhook(actor=cast.developer, webhook_id=sender.webhook.pk)
        assert Event.objects.get().webhook_id is None
        assert not WebhookSecret.objects.exists()
    with pytest.raises(NotTaken):
        sender.send()


def test_webhooks_are_known_by_addresses_that_cannot_be_guessed(cast: SimpleNamespace) -> None:
    found = {Sender(cast, name=f"hook_{number}").webhook.public_id for number in range(20)}
    assert len(found) == 20
    assert all(len(each) == 22 for each in found)  # 16 bytes
    assert Webhook(scheme="standard").scheme == Scheme.STANDARD
