"""Schedules: times by the clock, each told as an event."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import Page
from apps.api.trigger_schemas import ScheduleIn, ScheduleOut, TimesIn
from apps.triggers.models import Schedule
from apps.triggers.schedules import create_schedule, delete_schedule, find_schedule, update_schedule
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


@router.get("", response=Page[ScheduleOut], summary="Schedules, newest first")
@in_scope
def list_schedules(request: ApiRequest, after: UUID | None = None, limit: int = USUAL) -> object:
    require(request.membership, Permission.VIEW)
    return page_of(Schedule.objects.all(), after=after, limit=limit, show=ScheduleOut.of)


@router.post("", response={201: ScheduleOut}, summary="Write a schedule, which is on at once")
@in_scope
def create(request: ApiRequest, body: ScheduleIn) -> Status[ScheduleOut]:
    return Status(201, ScheduleOut.of(create_schedule(actor=request.membership, now=timezone.now(), **body.dict())))


@router.get("/{schedule_id}", response=ScheduleOut, summary="One schedule with its next times")
@in_scope
def show(request: ApiRequest, schedule_id: UUID) -> ScheduleOut:
    return ScheduleOut.of(find_schedule(actor=request.membership, schedule_id=schedule_id))


@router.put("/{schedule_id}", response=ScheduleOut, summary="Change when a schedule is due, or switch it")
@in_scope
def update(request: ApiRequest, schedule_id: UUID, body: TimesIn) -> ScheduleOut:
    given: dict[str, Any] = {"actor": request.membership, "schedule_id": schedule_id, "now": timezone.now()}
    return ScheduleOut.of(update_schedule(**given, **body.dict()))


@router.delete("/{schedule_id}", response={204: None}, summary="Remove a schedule; what it told stays")
@in_scope
def delete(request: ApiRequest, schedule_id: UUID) -> Status[None]:
    delete_schedule(actor=request.membership, schedule_id=schedule_id)
    return Status(204, None)
