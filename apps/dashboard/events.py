"""Events: the list, one with what came of it, telling one, telling one again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.filters import search_text
from apps.dashboard.forms.rules import EventForm
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.runs.models import Run
from apps.triggers.models import Delivery, Event
from apps.triggers.services import chain_of_event, emit_event, find_event, replay_event
from apps.triggers.states import DeliveryState
from apps.triggers.types import PLATFORM
from apps.workspaces.roles import Permission

SHOWN_DELIVERIES = 100


@page(Permission.VIEW, FORM, to_post=Permission.RUN)
def events_list(request: PageRequest) -> HttpResponse:
    form = EventForm(request.POST or None) if request.membership.can(Permission.RUN) else None
    status = 200
    if form is not None and request.method == "POST":
        outcome = attempt(request, lambda: emit_event(actor=request.membership, **form.cleaned_data)) if form.is_valid() else None
        if isinstance(outcome, Event):
            return go(request, "event-detail", event_id=outcome.pk, say="The event is told.")
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    query, chosen = search_text(request), request.GET.get("type", "")[:100]
    rows = Event.objects.for_list().search(query)
    shown = paginate(request, rows.filter(type=chosen) if chosen else rows)
    _count_deliveries(shown.rows)
    context = {
        "page": shown,
        "query": query,
        "type": chosen,
        "types": _types(chosen),
        "form": form,
    }
    return show(request, "events/list.html", context, part="results", status=status)


@page(Permission.VIEW)
def event_detail(request: PageRequest, event_id: UUID) -> HttpResponse:
    event = find_event(actor=request.membership, event_id=event_id)
    chain = chain_of_event(event)
    context = {
        "event": event,
        "envelope": event.as_cloudevent(),
        "deliveries": Delivery.objects.for_list().filter(event=event).order_by("id")[:SHOWN_DELIVERIES],
        "chain": [each for each in chain[:SHOWN_DELIVERIES] if each.event_id != event.pk],
        "chain_count": chain.count(),
        "shown": SHOWN_DELIVERIES,
    }
    return show(request, "events/detail.html", context, part="live")


@page(Permission.RUN, POST)
def event_replay(request: PageRequest, event_id: UUID) -> HttpResponse:
    event = replay_event(actor=request.membership, event_id=event_id)
    return go(request, "event-detail", event_id=event.pk, say="Told again. This is the new event.")


def _types(chosen: str) -> list[tuple[str, str]]:
    """What the filter offers: the platform's own, and one of the workspace's own when it is chosen."""
    own = [(chosen, chosen)] if chosen and chosen not in PLATFORM else []
    return [*own, *((each.name, each.label) for each in PLATFORM.values())]


def chain_of_run(run: Run) -> dict[str, Any]:
    """For a run's page: the delivery that started it, if a rule did, and what rules did because of what it told."""
    because = Delivery.objects.for_list().filter(run=run).first()
    followed = Delivery.objects.for_list().filter(event__run=run).order_by("id")
    return {"because": because, "followed": list(followed[:SHOWN_DELIVERIES])}


def _count_deliveries(events: Sequence[Any]) -> None:
    """What a list shows beside each event, in one statement for all of them."""
    counted = Delivery.objects.filter(event__in=events).order_by().values("event")
    rows = counted.annotate(all=Count("pk"), started=Count("pk", filter=Q(state=DeliveryState.STARTED)))
    numbers = {each["event"]: (each["all"], each["started"]) for each in rows}
    for event in events:
        event.rules_count, event.started_count = numbers.get(event.pk, (0, 0))


urlpatterns = [
    path("events/", events_list, name="events-list"),
    path("events/<uuid:event_id>/", event_detail, name="event-detail"),
    path("events/<uuid:event_id>/replay", event_replay, name="event-replay"),
]
