"""Take what a sender sent, or refuse it: verified over its raw bytes, told once, stored with its event in one transaction.

Whoever cannot sign learns nothing: an unknown address, a webhook that is off and a wrong signature get one and the same
answer. What a sender who can sign did wrong is said to it.
"""

import hashlib
import logging
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from apps.core.errors import Conflict, DomainError, Invalid, LimitReached, NotFound, TooLarge
from apps.core.ids import uuid7_floor
from apps.core.notify import publish
from apps.core.tenancy import every_workspace, scope
from apps.functions.reader.literals import cleaned
from apps.triggers.events import record_event, told_before
from apps.triggers.models import Event, Scheme, Webhook, WebhookRefusal
from apps.triggers.types import WEBHOOK_RECEIVED
from apps.triggers.webhooks.bodies import BadBody, Content, read_body
from apps.triggers.webhooks.schemes import Incoming, Verified, verify
from apps.triggers.webhooks.secrets import open_secrets
from apps.workspaces.models import Membership

log = logging.getLogger(__name__)
PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{22}\Z")
MAX_HEADER_CHARACTERS = 1_000
RATE_WINDOW = timedelta(minutes=1)
DUPLICATE = "duplicate"


class NotTaken(NotFound):
    """The one answer to all who cannot sign. `reason` is for the webhook's page alone."""

    code = "webhook_not_taken"
    SENTENCE: ClassVar = "No webhook takes this here. Check the address, that the webhook is on, and the signature."

    def __init__(self, reason: str = "") -> None:
        super().__init__(self.SENTENCE)
        self.reason = reason


class MethodNotTaken(Invalid):
    code = "method_not_taken"
    status = 405


class ContentTypeNotTaken(Invalid):
    code = "content_type_not_taken"
    status = 415


class BodyTooLarge(TooLarge):
    code = "body_too_large"


class TooManyDeliveries(LimitReached):
    code = "too_many_deliveries"


class MessageChanged(Conflict):
    """Another message has come under this id."""

    code = "message_changed"


REASONS = {
    "not_verified": "Not signed with its secret, or more than five minutes old.",
    "off": "It was switched off.",
    MethodNotTaken.code: "Sent by another method than it takes.",
    ContentTypeNotTaken.code: "Of a content type that it does not take.",
    BodyTooLarge.code: "Larger than it takes.",
    BadBody.code: "Said to be JSON, and none that can be read.",
    MessageChanged.code: "Another message under an id that had come before.",
    TooManyDeliveries.code: "More in a minute than it takes.",
    DUPLICATE: "Had come before: answered with the event of then.",
}
"""What a webhook counts, in sentences for its page."""

REFUSALS = (NotTaken, MethodNotTaken, ContentTypeNotTaken, BodyTooLarge, BadBody, MessageChanged, TooManyDeliveries)


@dataclass(frozen=True)
class Receipt:
    """What has become of a delivery: the event that tells of it, which is an earlier one for a duplicate.

    `may_wait`: the sender has shown that it holds a secret, and may be told what came of the event.
    """

    workspace_id: UUID
    event_id: UUID
    is_duplicate: bool
    may_wait: bool


def receive(*, public_id: str, incoming: Incoming, now: datetime) -> Receipt:
    """Take what came to an address. Opens its own scopes: call it outside of any.

    Raises:
        NotTaken, and to whoever can sign: MethodNotTaken, ContentTypeNotTaken, BodyTooLarge, BadBody, MessageChanged,
        TooManyDeliveries
    """
    webhook = _find(public_id)
    if webhook is None:
        raise NotTaken
    try:
        with scope(webhook.workspace_id):
            return take(webhook, incoming, now=now)
    except REFUSALS as refusal:
        with scope(webhook.workspace_id):
            count_refusal(webhook, refusal)
        raise


def take(webhook: Webhook, incoming: Incoming, *, now: datetime, sent_by: Membership | None = None) -> Receipt:
    """Verify, and tell the event; in the webhook's scope, which a refusal must roll back.

    `sent_by`: the member who sends a test from the webhook's page.

    Raises: as `receive`.
    """
    verified = verify(webhook, incoming, open_secrets(webhook, now), now)
    if verified is None:
        raise NotTaken("not_verified")
    # Deliveries of one webhook are taken one after another, so that its rate is kept and switching it off holds at once.
    standing = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook.pk).first()
    if standing is None or not standing.is_active:
        raise NotTaken("off")
    _check_form(standing, incoming)
    content = read_body(incoming)
    digest = hashlib.sha256(incoming.body).hexdigest()
    key = _key_of(standing, verified, content, digest)
    if key and (earlier := told_before(key)):
        return _again(standing, earlier, verified, digest)
    _check_rate(standing, now)
    event = record_event(
        type=WEBHOOK_RECEIVED, source=f"/webhooks/{standing.name}", subject=standing.name,
        data=_told(standing, incoming, content, digest), webhook=standing, emitted_by=sent_by, key=key,
    )  # fmt: skip
    publish(standing.workspace_id, "rules")  # its page lists what it took, though no rule may wait for it
    return _receipt(standing, event, is_duplicate=False)


def count_refusal(webhook: Webhook, refusal: DomainError) -> None:
    """One of REFUSALS, once more for its reason. A webhook that was removed meanwhile counts nothing."""
    _count(webhook, refusal.reason if isinstance(refusal, NotTaken) else refusal.code)


def _find(public_id: str) -> Webhook | None:
    if not PUBLIC_ID.match(public_id):
        return None
    with every_workspace(reason="a webhook's address tells which scope may be entered"):
        return Webhook.objects.filter(public_id=public_id).first()


def _check_form(webhook: Webhook, incoming: Incoming) -> None:
    if incoming.method not in webhook.methods:
        raise MethodNotTaken(f"This webhook takes {' and '.join(webhook.methods)}.")
    if webhook.content_types and incoming.content_type not in webhook.content_types:
        raise ContentTypeNotTaken(f"This webhook takes {' and '.join(webhook.content_types)}.")
    if len(incoming.body) > webhook.max_bytes:
        raise BodyTooLarge(f"This webhook takes bodies of up to {webhook.max_bytes} bytes.", limit=webhook.max_bytes)


def _key_of(webhook: Webhook, verified: Verified, content: Content, digest: str) -> str | None:
    """What makes this delivery one of a kind: an id that the signature covers, else the content that it covers.

    Ids in headers that nobody signed would let a recording be sent again under another. Where nothing is signed at all, only
    an id keeps two that are alike from being taken for one.
    """
    told = verified.message_id or (_stripe_id(content) if webhook.scheme == Scheme.STRIPE else "")
    if not told and not Scheme(webhook.scheme).is_signed:
        return None
    kind = "id" if told else "content"
    return f"webhook {webhook.pk} {kind} {hashlib.sha256(told.encode()).hexdigest() if told else digest}"


def _stripe_id(content: Content) -> str:
    """Of the event: when Stripe sends one again, some other fields may have changed."""
    found = content.value.get("id") if isinstance(content.value, dict) else None
    return found if isinstance(found, str) else ""


def _again(webhook: Webhook, earlier: Event, verified: Verified, digest: str) -> Receipt:
    """Senders repeat what they got no answer to: they are told that all is well. Nothing is told or run again."""
    if verified.message_id and earlier.data.get("sha256") != digest:
        raise MessageChanged("Another message has come under this id before. Give each message an id of its own.")
    _count(webhook, DUPLICATE)
    return _receipt(webhook, earlier, is_duplicate=True)


def _receipt(webhook: Webhook, event: Event, *, is_duplicate: bool) -> Receipt:
    return Receipt(webhook.workspace_id, event.pk, is_duplicate, may_wait=webhook.scheme != Scheme.NONE)


def _check_rate(webhook: Webhook, now: datetime) -> None:
    lately = webhook.events.filter(pk__gte=uuid7_floor(now - RATE_WINDOW))
    if lately[: webhook.most_per_minute].count() >= webhook.most_per_minute:
        raise TooManyDeliveries(
            f"This webhook takes {webhook.most_per_minute} deliveries in a minute. Send it again later.",
            retry_after=int(RATE_WINDOW.total_seconds()),
        )


def _told(webhook: Webhook, incoming: Incoming, content: Content, digest: str) -> dict[str, Any]:
    """What rules read as `event.data`."""
    heard = {name: cleaned(value[:MAX_HEADER_CHARACTERS]) for name, value in incoming.headers.items()}
    return {
        "webhook": webhook.name,
        "method": incoming.method,
        "content_type": heard.get("content-type", ""),
        "headers": {name: heard[name] for name in webhook.kept_headers if name in heard},
        "body": content.value,
        "encoding": content.encoding,
        "sha256": digest,
    }


def _count(webhook: Webhook, reason: str) -> None:
    rows = WebhookRefusal.objects.filter(webhook=webhook.pk, reason=reason)
    if rows.update(count=F("count") + 1, last_at=Now()):
        return
    # Held, so that nobody removes it meanwhile.
    if Webhook.objects.select_for_update(no_key=True).filter(pk=webhook.pk).first():
        WebhookRefusal.objects.bulk_create([WebhookRefusal(webhook=webhook, reason=reason)], ignore_conflicts=True)
        rows.update(count=F("count") + 1, last_at=Now())
