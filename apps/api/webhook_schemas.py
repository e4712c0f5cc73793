"""The JSON of webhooks."""

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from apps.triggers.models import Webhook
from apps.triggers.types import webhook_type
from apps.triggers.webhooks.drafts import MOST_PER_MINUTE, USUAL_BYTES, USUAL_PER_MINUTE, Intake
from apps.triggers.webhooks.receiving import REASONS
from apps.triggers.webhooks.services import Rehearsal


class IntakeIn(Schema):
    methods: list[str] = Field(["POST"], max_length=20)
    content_types: list[str] = Field([], max_length=20, description="such as application/json; empty: any")
    kept_headers: list[str] = Field([], max_length=20, description="what rules read as event.data.headers")
    max_bytes: int = Field(USUAL_BYTES, ge=1, le=2**31 - 1)
    most_per_minute: int = Field(USUAL_PER_MINUTE, ge=1, le=MOST_PER_MINUTE)

    def intake(self) -> Intake:
        return Intake(**{name: getattr(self, name) for name in IntakeIn.model_fields})


class WebhookIn(IntakeIn):
    name: str = Field(max_length=60, description="one word; rules wait for events of the type webhook.<name>")
    scheme: str = Field("standard", max_length=20, description="standard, github, stripe, hmac, bearer or none")
    header: str = Field("", max_length=60, description="for hmac and bearer: where the signature or the token stands")
    algorithm: str = Field("", max_length=10, description="for hmac: sha256, sha384, sha512 or sha1")
    encoding: str = Field("", max_length=10, description="for hmac: hex or base64")
    prefix: str = Field("", max_length=20, description="for hmac: what stands before the signature, such as sha256=")
    secret: str = Field("", max_length=64 * 1024, description="the sender's; empty to get one made")
    is_unsigned_accepted: bool = Field(default=False, description="must be said, by a person, for bearer and none")


class WebhookOut(Schema):
    id: UUID
    name: str
    event_type: str = Field(description="what rules wait for that mean this webhook alone")
    path: str = Field(description="of the address, after this platform's own")
    scheme: str
    header: str
    algorithm: str
    encoding: str
    prefix: str
    methods: list[str]
    content_types: list[str]
    kept_headers: list[str]
    max_bytes: int
    most_per_minute: int
    is_active: bool
    created_at: datetime

    @staticmethod
    def of(webhook: Webhook) -> "WebhookOut":
        taken = [name for name in WebhookOut.model_fields if name not in ("id", "event_type")]
        given = {name: getattr(webhook, name) for name in taken}
        return WebhookOut(id=webhook.pk, event_type=webhook_type(webhook.name), **given)


class RefusalOut(Schema):
    reason: str
    sentence: str
    count: int
    last_at: datetime


class WebhookDetailOut(WebhookOut):
    refusals: list[RefusalOut] = Field(description="what it refused, counted by reason")

    @staticmethod
    def of(webhook: Webhook) -> "WebhookDetailOut":
        rows = webhook.refusals.order_by("-last_at")
        refusals = [
            RefusalOut(reason=each.reason, sentence=REASONS[each.reason], count=each.count, last_at=each.last_at) for each in rows
        ]
        return WebhookDetailOut(**WebhookOut.of(webhook).dict(), refusals=refusals)


class WebhookSecretOut(WebhookOut):
    secret: str = Field(description="shown this once; empty for a webhook that has none")

    @staticmethod
    def with_secret(webhook: Webhook, secret: str) -> "WebhookSecretOut":
        return WebhookSecretOut(**WebhookOut.of(webhook).dict(), secret=secret)


class RotationIn(Schema):
    secret: str = Field("", max_length=64 * 1024, description="the sender's; empty to get one made")
    overlap_hours: int = Field(24, ge=0, le=168, description="how long the one before stays valid")


class WebhookTestIn(Schema):
    body: str = Field("", max_length=1024 * 1024)
    content_type: str = Field("application/json", max_length=100)


class WebhookTestOut(Schema):
    event: UUID | None
    is_duplicate: bool
    refusal: str = Field(description="empty, or why it was refused")

    @staticmethod
    def of(tried: Rehearsal) -> "WebhookTestOut":
        receipt = tried.receipt
        return WebhookTestOut(
            event=receipt.event_id if receipt else None,
            is_duplicate=bool(receipt and receipt.is_duplicate),
            refusal=tried.refusal,
        )
