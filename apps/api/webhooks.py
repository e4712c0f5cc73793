"""Webhooks as people and their programs keep them. What senders send goes to /hooks/, which is no part of this API."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import Page
from apps.api.trigger_schemas import EventOut, SwitchIn
from apps.api.webhook_schemas import (
    IntakeIn,
    RotationIn,
    WebhookDetailOut,
    WebhookIn,
    WebhookOut,
    WebhookSecretOut,
    WebhookTestIn,
    WebhookTestOut,
)
from apps.triggers.models import Webhook
from apps.triggers.webhooks.drafts import WebhookDraft
from apps.triggers.webhooks.services import (
    create_webhook,
    delete_webhook,
    deliveries_of,
    find_webhook,
    rotate_webhook_secret,
    send_test,
    switch_webhook,
    update_webhook,
)
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


@router.get("", response=Page[WebhookOut], summary="Webhooks, newest first")
@in_scope
def list_webhooks(request: ApiRequest, after: UUID | None = None, limit: int = USUAL) -> object:
    require(request.membership, Permission.VIEW)
    return page_of(Webhook.objects.all(), after=after, limit=limit, show=WebhookOut.of)


@router.post("", response={201: WebhookSecretOut}, summary="Make a webhook, which is on at once; its secret is shown this once")
@in_scope
def create(request: ApiRequest, response: HttpResponse, body: WebhookIn) -> Status[WebhookSecretOut]:
    response.headers["Cache-Control"] = "no-store"
    draft = WebhookDraft(**body.dict(exclude=set(IntakeIn.model_fields)))
    webhook, secret = create_webhook(actor=request.membership, draft=draft, intake=body.intake())
    webhook.refresh_from_db()
    return Status(201, WebhookSecretOut.with_secret(webhook, secret))


@router.get("/{webhook_id}", response=WebhookDetailOut, summary="One webhook with what it refused")
@in_scope
def show(request: ApiRequest, webhook_id: UUID) -> WebhookDetailOut:
    return WebhookDetailOut.of(find_webhook(actor=request.membership, webhook_id=webhook_id))


@router.put("/{webhook_id}", response=WebhookOut, summary="Change what a webhook takes")
@in_scope
def update(request: ApiRequest, webhook_id: UUID, body: IntakeIn) -> WebhookOut:
    return WebhookOut.of(update_webhook(actor=request.membership, webhook_id=webhook_id, intake=body.intake()))


@router.delete("/{webhook_id}", response={204: None}, summary="Remove a webhook; what it told stays")
@in_scope
def delete(request: ApiRequest, webhook_id: UUID) -> Status[None]:
    delete_webhook(actor=request.membership, webhook_id=webhook_id)
    return Status(204, None)


@router.post("/{webhook_id}/switch", response=WebhookOut, summary="Switch a webhook on or off")
@in_scope
def switch(request: ApiRequest, webhook_id: UUID, body: SwitchIn) -> WebhookOut:
    return WebhookOut.of(switch_webhook(actor=request.membership, webhook_id=webhook_id, is_active=body.is_active))


@router.post("/{webhook_id}/secret", response=WebhookSecretOut, summary="Give a webhook another secret, shown this once")
@in_scope
def rotate(request: ApiRequest, response: HttpResponse, webhook_id: UUID, body: RotationIn) -> WebhookSecretOut:
    response.headers["Cache-Control"] = "no-store"
    webhook, secret = rotate_webhook_secret(
        actor=request.membership,
        webhook_id=webhook_id,
        now=timezone.now(),
        secret=body.secret,
        overlap=timedelta(hours=body.overlap_hours),
    )
    return WebhookSecretOut.with_secret(webhook, secret)


@router.post("/{webhook_id}/test", response=WebhookTestOut, summary="Send a signed test, which rules take as any other")
@in_scope
def test(request: ApiRequest, webhook_id: UUID, body: WebhookTestIn) -> WebhookTestOut:
    sent = body.body.encode("utf-8", "surrogatepass")
    given: dict[str, Any] = {"actor": request.membership, "webhook_id": webhook_id, "now": timezone.now()}
    return WebhookTestOut.of(send_test(body=sent, content_type=body.content_type, **given))


@router.get("/{webhook_id}/deliveries", response=Page[EventOut], summary="The events that a webhook has told, newest first")
@in_scope
def list_deliveries(request: ApiRequest, webhook_id: UUID, after: UUID | None = None, limit: int = USUAL) -> object:
    webhook = find_webhook(actor=request.membership, webhook_id=webhook_id)
    return page_of(deliveries_of(webhook), after=after, limit=limit, show=EventOut.of)
