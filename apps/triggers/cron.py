"""When a cron expression is due in a time zone. Clock changes as Debian's cron has them: what falls into the hour that is left
out happens right after it, and what falls into the hour that comes twice happens once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from apps.core.errors import Invalid

MAX_CHARACTERS = 100
FIELDS = 5


class BadCron(Invalid):
    code = "bad_cron"


class BadTimeZone(Invalid):
    code = "bad_time_zone"


def check_cron(expression: str, time_zone: str) -> None:
    """Refuse what is never due.

    Raises:
        BadCron, BadTimeZone
    """
    if time_zone not in available_timezones():
        raise BadTimeZone(f"“{time_zone[:60]}” is no time zone. Write it like Europe/Berlin or UTC.")
    if len(expression) > MAX_CHARACTERS or len(expression.split()) != FIELDS:
        raise BadCron(
            "A cron expression has five fields: minute, hour, day of the month, month, day of the week. 0 9 * * 1-5, say."
        )
    try:
        if next(ticks(expression, time_zone, after=datetime.now(UTC)), None) is None:
            raise BadCron("There is no such day in the next fifty years.")
    except CronSimError as problem:
        raise BadCron(f"This is no cron expression: {problem}. Write it like 0 9 * * 1-5.") from problem


def ticks(expression: str, time_zone: str, *, after: datetime) -> Iterator[datetime]:
    """Every time at which it is due after `after`, in UTC, without end unless the calendar has one."""
    for tick in CronSim(expression, after.astimezone(ZoneInfo(time_zone))):
        yield tick.astimezone(UTC)


def next_ticks(expression: str, time_zone: str, *, after: datetime, count: int = 5) -> list[datetime]:
    """The next few, for people to look at, in the schedule's own time zone."""
    zone = ZoneInfo(time_zone)
    return [tick.astimezone(zone) for tick in islice(ticks(expression, time_zone, after=after), count)]
