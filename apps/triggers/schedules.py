"""Write schedules, and tell an event at each time at which one is due: once, however many schedulers look."""

import logging
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.tenancy import current_workspace_id, every_workspace, scope
from apps.triggers.cron import check_cron, ticks
from apps.triggers.events import record_event, told_before
from apps.triggers.models import CatchUp, Schedule
from apps.triggers.types import MAX_SCHEDULE_NAME, SCHEDULE_NAME, schedule_type
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

log = logging.getLogger(__name__)
AT_ONCE = 100
PUNCTUAL = timedelta(minutes=1)  # a tick that is told so late was not missed
MOST_CAUGHT_UP = 10
LOOKED_BACK = timedelta(days=7)  # for what was missed: a week of minutes takes a tenth of a second
ONE_STEP = timedelta(minutes=1)  # between two ticks at least


class NoSuchSchedule(NotFound):
    code = "no_such_schedule"


class ScheduleNameTaken(Conflict):
    code = "schedule_name_taken"


class BadSchedule(Invalid):
    code = "bad_schedule"


def create_schedule(
    *, actor: Membership, name: str, cron: str, now: datetime, time_zone: str = "UTC", catch_up: str = CatchUp.LAST
) -> Schedule:
    """Store a schedule, which is on at once: it tells an event `schedule.<name>` whenever it is due.

    Raises:
        PermissionMissing, BadSchedule, BadCron, BadTimeZone, ScheduleNameTaken
    """
    require(actor, Permission.DEVELOP)
    if len(name) > MAX_SCHEDULE_NAME or not SCHEDULE_NAME.match(name):
        raise BadSchedule("A schedule's name is one word of small letters, digits and underscores, such as every_morning.")
    timing = _checked(cron, time_zone, catch_up, now)
    try:
        with scope(current_workspace_id()):  # a savepoint: the constraint decides between two who ask at once
            schedule = Schedule.objects.create(name=name, created_by=actor, **timing)
    except IntegrityError as error:
        raise ScheduleNameTaken(f"There is a schedule “{name}” already.", name=name) from error
    record(actor=actor, action="schedule.created", subject=schedule, cron=cron, time_zone=time_zone, catch_up=catch_up)
    return schedule


def update_schedule(
    *, actor: Membership, schedule_id: UUID, cron: str, time_zone: str, catch_up: str, is_active: bool, now: datetime
) -> Schedule:
    """Change when a schedule is due, or switch it. What is due counts from now: nothing of before is caught up.

    Raises:
        PermissionMissing, NoSuchSchedule, BadSchedule, BadCron, BadTimeZone
    """
    require(actor, Permission.DEVELOP)
    schedule = _locked(schedule_id)
    for field, value in _checked(cron, time_zone, catch_up, now).items():
        setattr(schedule, field, value)
    schedule.is_active = is_active
    schedule.save()
    record(
        actor=actor, action="schedule.updated", subject=schedule, cron=cron, time_zone=time_zone, catch_up=catch_up,
        is_active=is_active,
    )  # fmt: skip
    return schedule


def delete_schedule(*, actor: Membership, schedule_id: UUID) -> None:
    """Remove a schedule. What it told stays; rules that wait for it wait in vain.

    Raises:
        PermissionMissing, NoSuchSchedule
    """
    require(actor, Permission.DEVELOP)
    schedule = _locked(schedule_id)
    record(actor=actor, action="schedule.deleted", subject=schedule)
    schedule.delete()


def find_schedule(*, actor: Membership, schedule_id: UUID) -> Schedule:
    """Raises: PermissionMissing, NoSuchSchedule."""
    require(actor, Permission.VIEW)
    return _found(Schedule.objects.select_related("created_by__user").filter(pk=schedule_id).first())


def tell_due_schedules() -> int:
    """Tell what is due in every workspace, and set when each schedule is due next; gives how many events were told.

    Called by every scheduler each second. The row's lock lets one of them through, and the event's key keeps what was told
    before from being told again.
    """
    with every_workspace(reason="the scheduler looks for schedules that are due"):
        due = Schedule.objects.filter(is_active=True, next_at__lte=Now()).order_by("next_at")
        found = list(due.values_list("workspace_id", "pk")[:AT_ONCE])
    return sum(_tell_due_or_log(workspace_id, pk) for workspace_id, pk in found)


def _tell_due_or_log(workspace_id: UUID, pk: UUID) -> int:
    """One that breaks, as when its time zone has gone from the machine, must not keep the others of every workspace."""
    try:
        return _tell_due(workspace_id, pk)
    except Exception:
        log.exception("triggers.schedule_broken schedule=%s", pk)
        return 0


def _tell_due(workspace_id: UUID, pk: UUID) -> int:
    with scope(workspace_id):
        rows = Schedule.objects.filter(pk=pk, is_active=True, next_at__lte=Now()).annotate(looked_at=Now())
        schedule = rows.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()
        if schedule is None:
            return 0  # another scheduler has it, or it was changed
        now: datetime = schedule.looked_at
        last, missed, following = _ticks_until(schedule, now)
        told = [tick for tick in _to_be_told(schedule, last, now) if _tell(schedule, tick, missed=missed)]
        Schedule.objects.filter(pk=pk).update(next_at=following)
        return len(told)


def _ticks_until(schedule: Schedule, now: datetime) -> tuple[list[datetime], int, datetime]:
    """The last times that have become due since it was looked at, how many more there were, and when it is due next."""
    last: deque[datetime] = deque(maxlen=MOST_CAUGHT_UP)
    earliest = max(schedule.next_at, now - LOOKED_BACK)
    for due, tick in enumerate(ticks(schedule.cron, schedule.time_zone, after=earliest - ONE_STEP)):
        if tick > now:
            return list(last), max(0, due - 1), tick
        last.append(tick)
    raise RuntimeError(f"The schedule {schedule.pk} is never due again.")  # fifty years hence


def _to_be_told(schedule: Schedule, last: list[datetime], now: datetime) -> list[datetime]:
    """By the schedule's way to catch up: nothing of what was missed, the last of it, or all up to ten, oldest first."""
    if schedule.catch_up == CatchUp.SKIP:
        return [tick for tick in last[-1:] if now - tick <= PUNCTUAL]
    return last if schedule.catch_up == CatchUp.ALL else last[-1:]


def _tell(schedule: Schedule, tick: datetime, *, missed: int) -> bool:
    key = f"schedule {schedule.pk} {tick.astimezone(UTC).isoformat()}"
    if told_before(key):
        return False
    data = {"schedule": schedule.name, "due_at": tick.isoformat(), "time_zone": schedule.time_zone, "missed": missed}
    record_event(
        type=schedule_type(schedule.name), source=f"/schedules/{schedule.name}", subject=schedule.name, data=data, key=key
    )
    return True


def _checked(cron: str, time_zone: str, catch_up: str, now: datetime) -> dict[str, Any]:
    cron = " ".join(cron.split())
    check_cron(cron, time_zone)
    if catch_up not in CatchUp.values:
        raise BadSchedule(f"What was missed is caught up as one of {', '.join(CatchUp.values)}.")
    next_at = next(ticks(cron, time_zone, after=now))
    return {"cron": cron, "time_zone": time_zone, "catch_up": catch_up, "next_at": next_at}


def _locked(schedule_id: UUID) -> Schedule:
    return _found(Schedule.objects.select_for_update(no_key=True).filter(pk=schedule_id).first())


def _found(schedule: Schedule | None) -> Schedule:
    if schedule is None:
        raise NoSuchSchedule("There is no such schedule here.")
    return schedule
