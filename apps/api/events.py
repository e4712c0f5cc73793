"""Events: look, tell one, tell one again."""

from uuid import UUID

from ninja import HeaderEx, P, Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import Page
from apps.api.trigger_schemas import DeliveryOut, EventDetailOut, EventIn, EventOut
from apps.triggers.models import Delivery, Event
from apps.triggers.services import emit_event, find_event, replay_event
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


@router.get("", response=Page[EventOut], summary="Events, newest first")
@in_scope
def list_events(
    request: ApiRequest,
    after: UUID | None = None,
    limit: int = USUAL,
    type: str = "",  # noqa: A002  the word of the standard
    search: str = "",
) -> object:
    require(request.membership, Permission.VIEW)
    rows = Event.objects.for_list().search(search)
    return page_of(rows.filter(type=type) if type else rows, after=after, limit=limit, show=EventOut.of)


@router.post("", response={201: EventOut}, summary="Tell an event; rules that wait for it run")
@in_scope
def emit(
    request: ApiRequest,
    body: EventIn,
    idempotency_key: HeaderEx[str | None, P(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
) -> Status[EventOut]:
    return Status(201, EventOut.of(emit_event(actor=request.membership, idempotency_key=idempotency_key, **body.dict())))


@router.get("/{event_id}", response=EventDetailOut, summary="One event with its data and what came of it")
@in_scope
def show(request: ApiRequest, event_id: UUID) -> EventDetailOut:
    event = find_event(actor=request.membership, event_id=event_id)
    deliveries = Delivery.objects.for_list().filter(event=event).order_by("id")
    return EventDetailOut(
        **EventOut.of(event).dict(), data=event.data, deliveries=[DeliveryOut.of(delivery) for delivery in deliveries]
    )


@router.post("/{event_id}/replay", response={201: EventOut}, summary="Tell a past event again, as a new one")
@in_scope
def replay(request: ApiRequest, event_id: UUID) -> Status[EventOut]:
    return Status(201, EventOut.of(replay_event(actor=request.membership, event_id=event_id)))
