"""Schedules: the list with the next times of each, writing one, changing one."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.schedules import ChangedScheduleForm, ScheduleForm, time_zones
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.triggers.cron import next_ticks
from apps.triggers.models import Event, Rule, Schedule
from apps.triggers.schedules import create_schedule, delete_schedule, find_schedule, update_schedule
from apps.triggers.types import schedule_type
from apps.workspaces.roles import Permission

SHOWN_TICKS = 5
SHOWN_EVENTS = 10


@page(Permission.VIEW, FORM, to_post=Permission.DEVELOP)
def schedules_list(request: PageRequest) -> HttpResponse:
    form = ScheduleForm(request.POST or None) if request.membership.can(Permission.DEVELOP) else None
    status = 200
    if form is not None and request.method == "POST":
        given: dict[str, Any] = {"actor": request.membership, "now": timezone.now()}
        outcome = attempt(request, lambda: create_schedule(**given, **form.cleaned_data)) if form.is_valid() else None
        if isinstance(outcome, Schedule):
            return go(request, "schedule-detail", schedule_id=outcome.pk, say="The schedule is on. A rule can wait for it now.")
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    context = {"page": paginate(request, Schedule.objects.all()), "form": form, "time_zones": time_zones()}
    return show(request, "schedules/list.html", context, status=status)


@page(Permission.VIEW, FORM, to_post=Permission.DEVELOP)
def schedule_detail(request: PageRequest, schedule_id: UUID) -> HttpResponse:
    """One schedule; a POST changes when it is due, or switches it."""
    schedule = find_schedule(actor=request.membership, schedule_id=schedule_id)
    initial = {name: getattr(schedule, name) for name in ("cron", "time_zone", "catch_up", "is_active")}
    form = ChangedScheduleForm(request.POST or None, initial=initial)
    status = 200
    if request.method == "POST":
        given: dict[str, Any] = {"actor": request.membership, "schedule_id": schedule_id, "now": timezone.now()}
        outcome = attempt(request, lambda: update_schedule(**given, **form.cleaned_data)) if form.is_valid() else None
        if isinstance(outcome, Schedule):
            return go(request, "schedule-detail", schedule_id=schedule_id, say="The schedule is changed.")
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    told = schedule_type(schedule.name)
    context = {
        "schedule": schedule,
        "event_type": told,
        "ticks": next_ticks(schedule.cron, schedule.time_zone, after=timezone.now(), count=SHOWN_TICKS),
        "rules": Rule.objects.for_list().filter(event_type=told),
        "events": Event.objects.for_list().filter(type=told)[:SHOWN_EVENTS],
        "form": form if request.membership.can(Permission.DEVELOP) else None,
        "time_zones": time_zones(),
    }
    return show(request, "schedules/detail.html", context, status=status)


@page(Permission.DEVELOP, POST)
def schedule_delete(request: PageRequest, schedule_id: UUID) -> HttpResponse:
    delete_schedule(actor=request.membership, schedule_id=schedule_id)
    return go(request, "schedules-list", say="Removed. Rules that wait for it wait in vain.")


urlpatterns = [
    path("schedules/", schedules_list, name="schedules-list"),
    path("schedules/<uuid:schedule_id>/", schedule_detail, name="schedule-detail"),
    path("schedules/<uuid:schedule_id>/delete", schedule_delete, name="schedule-delete"),
]
