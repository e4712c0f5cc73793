"""Webhooks: the list, making one, one with what it took and refused, its tester, another secret, switching and removing it."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.webhooks import IntakeForm, RotationForm, WebhookForm, WebhookTestForm, intake_initial
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.triggers.models import Delivery, Event, Rule, Webhook
from apps.triggers.types import WEBHOOK_RECEIVED, webhook_type
from apps.triggers.webhooks.commands import curl_lines
from apps.triggers.webhooks.receiving import REASONS
from apps.triggers.webhooks.services import (
    Rehearsal,
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

SHOWN_RULES = 50


@page(Permission.VIEW, FORM, to_post=Permission.DEVELOP)
def webhooks_list(request: PageRequest) -> HttpResponse:
    """A new secret is shown on the answer to the form itself: kept for a redirect, it would be stored somewhere."""
    form = WebhookForm(request.POST or None) if request.membership.can(Permission.DEVELOP) else None
    status = 200
    if form is not None and request.method == "POST":
        given: dict[str, Any] = {"actor": request.membership}
        if form.is_valid():
            given |= {"draft": form.draft(), "intake": form.intake()}
        outcome = attempt(request, lambda: create_webhook(**given)) if form.is_valid() else None
        if isinstance(outcome, tuple):
            webhook, secret = outcome
            return _show_detail(request, webhook, secret=secret, status=201)
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    rows = Webhook.objects.select_related("created_by__user")
    return show(request, "webhooks/list.html", {"page": paginate(request, rows), "form": form}, status=status)


@page(Permission.VIEW, FORM, to_post=Permission.DEVELOP)
def webhook_detail(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    """One webhook; a POST changes what it takes."""
    webhook = find_webhook(actor=request.membership, webhook_id=webhook_id)
    if request.method != "POST":
        return _show_detail(request, webhook)
    form = IntakeForm(request.POST)
    outcome = None
    if form.is_valid():
        outcome = attempt(request, lambda: update_webhook(actor=request.membership, webhook_id=webhook_id, intake=form.intake()))
        if isinstance(outcome, Webhook):
            return go(request, "webhook-detail", webhook_id=webhook_id, say="The webhook is changed.")
    status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    return _show_detail(request, webhook, intake_form=form, status=status)


@page(Permission.RUN, POST)
def webhook_test(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    webhook = find_webhook(actor=request.membership, webhook_id=webhook_id)
    form = WebhookTestForm(request.POST)
    if not form.is_valid():
        return _show_detail(request, webhook, test_form=form, status=UNPROCESSABLE)
    tried: Rehearsal = send_test(actor=request.membership, webhook_id=webhook_id, now=timezone.now(), **form.cleaned_data)
    if tried.receipt is None:
        form.add_error(None, tried.refusal)
        return _show_detail(request, webhook, test_form=form, status=UNPROCESSABLE)
    return go(request, "webhook-detail", webhook_id=webhook_id, query=f"?event={tried.receipt.event_id}#tested")


@page(Permission.DEVELOP, POST)
def webhook_rotate(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    webhook = find_webhook(actor=request.membership, webhook_id=webhook_id)
    form = RotationForm(request.POST)
    outcome = None
    if form.is_valid():
        given: dict[str, Any] = {
            "actor": request.membership,
            "webhook_id": webhook_id,
            "now": timezone.now(),
            **form.cleaned_data,
        }
        outcome = attempt(request, lambda: rotate_webhook_secret(**given))
        if isinstance(outcome, tuple):
            return _show_detail(request, outcome[0], secret=outcome[1])
    status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    return _show_detail(request, webhook, rotation_form=form, status=status)


@page(Permission.DEVELOP, POST)
def webhook_switch(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    is_active = request.POST.get("is_active") == "1"
    switch_webhook(actor=request.membership, webhook_id=webhook_id, is_active=is_active)
    return go(request, "webhook-detail", webhook_id=webhook_id, say="The webhook is on." if is_active else "The webhook is off.")


@page(Permission.DEVELOP, POST)
def webhook_delete(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    delete_webhook(actor=request.membership, webhook_id=webhook_id)
    return go(request, "webhooks-list", say="Removed. What it told stays; rules that wait for it wait in vain.")


def _show_detail(request: PageRequest, webhook: Webhook, *, secret: str = "", status: int = 200, **forms: Any) -> HttpResponse:
    """`forms`: those that were sent and refused, by their names in the template. A secret is in no cache."""
    address = request.build_absolute_uri(webhook.path)
    context = {
        "webhook": webhook,
        "address": address,
        "secret": secret,
        "event_type": webhook_type(webhook.name),
        "command": curl_lines(webhook, address=address, secret=secret),
        "page": paginate(request, deliveries_of(webhook)),
        "refusals": [(REASONS[each.reason], each) for each in webhook.refusals.order_by("-last_at")],
        "rules": Rule.objects.for_list().filter(event_type__in=(WEBHOOK_RECEIVED, webhook_type(webhook.name)))[:SHOWN_RULES],
        "old_secrets": webhook.secrets.filter(valid_until__gt=timezone.now()),
        "tested": _tested(request, webhook),
        **_forms(request, webhook),
        **forms,
    }
    response = show(request, "webhooks/detail.html", context, part="live", status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _forms(request: PageRequest, webhook: Webhook) -> dict[str, Any]:
    """What this member may do."""
    forms: dict[str, Any] = {"test_form": WebhookTestForm() if request.membership.can(Permission.RUN) else None}
    if request.membership.can(Permission.DEVELOP):
        forms |= {"intake_form": IntakeForm(initial=intake_initial(webhook)), "rotation_form": RotationForm()}
    return forms


def _tested(request: PageRequest, webhook: Webhook) -> dict[str, Any] | None:
    """The event that a test told, with what has come of it until now."""
    try:
        event_id = UUID(request.GET.get("event", ""))
    except ValueError:
        return None
    event = Event.objects.filter(pk=event_id, webhook=webhook).first()
    return {"event": event, "deliveries": Delivery.objects.for_list().filter(event=event).order_by("id")} if event else None


urlpatterns = [
    path("webhooks/", webhooks_list, name="webhooks-list"),
    path("webhooks/<uuid:webhook_id>/", webhook_detail, name="webhook-detail"),
    path("webhooks/<uuid:webhook_id>/test", webhook_test, name="webhook-test"),
    path("webhooks/<uuid:webhook_id>/secret", webhook_rotate, name="webhook-rotate"),
    path("webhooks/<uuid:webhook_id>/switch", webhook_switch, name="webhook-switch"),
    path("webhooks/<uuid:webhook_id>/delete", webhook_delete, name="webhook-delete"),
]
