"""Make, change, switch, rotate, test and remove webhooks."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from apps.audit.services import record
from apps.core.errors import Conflict, NotFound
from apps.core.ids import uuid7
from apps.core.tenancy import current_workspace_id, scope
from apps.triggers.models import Event, Scheme, Webhook
from apps.triggers.webhooks.drafts import (
    BadWebhook,
    Intake,
    WebhookDraft,
    check_webhook_name,
    checked_intake,
    checked_scheme,
)
from apps.triggers.webhooks.receiving import REASONS, REFUSALS, NotTaken, Receipt, count_refusal, take
from apps.triggers.webhooks.schemes import GENERATED_BYTES, Incoming, format_secret, key_of, sign
from apps.triggers.webhooks.secrets import keep_secret, open_secrets, retire_secrets
from apps.vault.services import check_value
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

PUBLIC_ID_BYTES = 16
LONGEST_OVERLAP = timedelta(days=7)
USUAL_INTAKE = Intake()
MOST_WEBHOOKS = 200
"""In a workspace. An address more than anybody keeps track of is an address that nobody keeps closed."""


class NoSuchWebhook(NotFound):
    code = "no_such_webhook"


class WebhookNameTaken(Conflict):
    code = "webhook_name_taken"


class TooManyWebhooks(Conflict):
    code = "too_many_webhooks"


@dataclass(frozen=True)
class Rehearsal:
    """What became of a test: the event that it told, or why it was refused."""

    receipt: Receipt | None
    refusal: str = ""


@sensitive_variables()
def create_webhook(*, actor: Membership, draft: WebhookDraft, intake: Intake = USUAL_INTAKE) -> tuple[Webhook, str]:
    """Make a webhook, which is on at once, and give its secret, which is shown this once.

    Raises:
        PermissionMissing, BadWebhook, WeakWebhook, BadWebhookSecret, WebhookNameTaken, TooManyWebhooks, TokenCannot,
        vault.services.ValueTooShort and kin: the given secret cannot be kept
    """
    require(actor, Permission.DEVELOP)
    if Webhook.objects.all()[:MOST_WEBHOOKS].count() >= MOST_WEBHOOKS:
        raise TooManyWebhooks(f"There are {MOST_WEBHOOKS} webhooks here, as many as may be. Remove one that nobody uses.")
    scheme = checked_scheme(actor, draft)
    webhook = Webhook(
        public_id=secrets.token_urlsafe(PUBLIC_ID_BYTES), name=check_webhook_name(draft.name), created_by=actor,
        **scheme, **checked_intake(intake, header=scheme.get("header", "")),
    )  # fmt: skip
    _store(webhook)
    secret = _new_secret(webhook, draft.secret)
    record(actor=actor, action="webhook.created", subject=webhook, scheme=webhook.scheme, **_told_of(webhook))
    return webhook, secret


def update_webhook(*, actor: Membership, webhook_id: UUID, intake: Intake) -> Webhook:
    """Change what a webhook takes. How it knows its sender stays: for another scheme make another webhook.

    Raises:
        PermissionMissing, NoSuchWebhook, BadWebhook
    """
    require(actor, Permission.DEVELOP)
    webhook = _locked(webhook_id)
    for name, value in checked_intake(intake, header=webhook.header).items():
        setattr(webhook, name, value)
    webhook.save()
    record(actor=actor, action="webhook.updated", subject=webhook, **_told_of(webhook))
    return webhook


def switch_webhook(*, actor: Membership, webhook_id: UUID, is_active: bool) -> Webhook:
    """Switch a webhook on or off; off, it answers as if it were not there.

    Raises:
        PermissionMissing, NoSuchWebhook
    """
    require(actor, Permission.DEVELOP)
    webhook = _locked(webhook_id)
    if webhook.is_active != is_active:
        webhook.is_active = is_active
        webhook.save(update_fields=["is_active"])
        record(actor=actor, action="webhook.switched_on" if is_active else "webhook.switched_off", subject=webhook)
    return webhook


@sensitive_variables()
def rotate_webhook_secret(
    *, actor: Membership, webhook_id: UUID, now: datetime, secret: str = "", overlap: timedelta = timedelta(days=1)
) -> tuple[Webhook, str]:
    """Give a webhook another secret. The one before stays valid for the `overlap`; what was older is destroyed.

    Raises:
        PermissionMissing, NoSuchWebhook, BadWebhook, BadWebhookSecret, vault.services.ValueTooShort and kin
    """
    require(actor, Permission.DEVELOP)
    webhook = _locked(webhook_id)
    if webhook.scheme == Scheme.NONE:
        raise BadWebhook("This webhook has no secret: it takes what anybody sends.")
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise BadWebhook(f"The secret before may stay valid for up to {LONGEST_OVERLAP.days} days.")
    retire_secrets(webhook, now=now, after=overlap)
    made = _new_secret(webhook, secret)
    record(actor=actor, action="webhook.rotated", subject=webhook, overlap_seconds=int(overlap.total_seconds()))
    return webhook, made


def delete_webhook(*, actor: Membership, webhook_id: UUID) -> None:
    """Remove a webhook with its secrets. What it told stays; rules that wait for it wait in vain.

    Raises:
        PermissionMissing, NoSuchWebhook
    """
    require(actor, Permission.DEVELOP)
    webhook = _locked(webhook_id)
    record(actor=actor, action="webhook.deleted", subject=webhook)
    webhook.delete()


def find_webhook(*, actor: Membership, webhook_id: UUID) -> Webhook:
    """Raises: PermissionMissing, NoSuchWebhook."""
    require(actor, Permission.VIEW)
    return _found(Webhook.objects.select_related("created_by__user").filter(pk=webhook_id).first())


def send_test(*, actor: Membership, webhook_id: UUID, body: bytes, content_type: str, now: datetime) -> Rehearsal:
    """Sign a body as the sender would, and take it by the same way. Rules do with it what they do with any.

    Raises:
        PermissionMissing, NoSuchWebhook
    """
    require(actor, Permission.RUN)
    webhook = find_webhook(actor=actor, webhook_id=webhook_id)
    secret = next(iter(open_secrets(webhook, now)), "")
    signed = sign(webhook, body, secret, message_id=f"test_{uuid7().hex}", now=now)
    incoming = Incoming(webhook.methods[0], {"content-type": content_type, **signed}, body)
    try:
        with scope(webhook.workspace_id):  # a savepoint: a refusal leaves nothing but its count
            receipt = take(webhook, incoming, now=now, sent_by=actor)
    except REFUSALS as refusal:
        count_refusal(webhook, refusal)
        return Rehearsal(None, REASONS[refusal.reason] if isinstance(refusal, NotTaken) else refusal.message)
    record(actor=actor, action="webhook.tested", subject=webhook, event=str(receipt.event_id))
    return Rehearsal(receipt)


def deliveries_of(webhook: Webhook) -> QuerySet[Event]:
    """The events that a webhook has told, newest first."""
    found: QuerySet[Event] = Event.objects.for_list().filter(webhook=webhook)
    return found


@sensitive_variables()
def _new_secret(webhook: Webhook, given: str) -> str:
    """Keep the given secret, or one that is made; empty for a webhook that has none."""
    if webhook.scheme == Scheme.NONE:
        return ""
    secret = given.strip() or format_secret(webhook.scheme, secrets.token_bytes(GENERATED_BYTES))
    check_value(secret)
    key_of(webhook.scheme, secret)
    keep_secret(webhook, secret)
    return secret


def _store(webhook: Webhook) -> None:
    try:
        with scope(current_workspace_id()):  # a savepoint: the constraint decides between two who ask at once
            webhook.save()
    except IntegrityError as error:
        raise WebhookNameTaken(f"There is a webhook “{webhook.name}” already.", name=webhook.name) from error


def _locked(webhook_id: UUID) -> Webhook:
    return _found(Webhook.objects.select_for_update(no_key=True).filter(pk=webhook_id).first())


def _found(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise NoSuchWebhook("There is no such webhook here.")
    return webhook


def _told_of(webhook: Webhook) -> dict[str, Any]:
    """For the audit trail."""
    names = ("methods", "content_types", "kept_headers", "max_bytes", "most_per_minute")
    return {name: getattr(webhook, name) for name in names}
