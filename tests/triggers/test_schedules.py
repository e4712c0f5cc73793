"""Each time by the clock is told once: by several schedulers, over clock changes, and after nobody looked for a while."""

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.core.tenancy import scope
from apps.triggers.cron import BadCron, BadTimeZone, check_cron, next_ticks, ticks
from apps.triggers.models import Event, Schedule
from apps.triggers.schedules import (
    BadSchedule,
    NoSuchSchedule,
    ScheduleNameTaken,
    create_schedule,
    delete_schedule,
    find_schedule,
    tell_due_schedules,
    update_schedule,
)
from apps.triggers.services import BadRule
from apps.triggers.states import DeliveryState
from apps.workspaces.services import PermissionMissing
from tests.triggers.conftest import SHOUT, Play

NOW = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)  # a Monday


def schedule(play: Play, name: str = "every_minute", cron: str = "* * * * *", **fields: Any) -> Schedule:
    with scope(play.cast.acme.pk):
        return create_schedule(actor=play.cast.developer, name=name, cron=cron, **{"now": NOW, **fields})


def due_since(play: Play, made: Schedule, **ago: float) -> None:
    """As if nobody had looked since then."""
    with scope(play.cast.acme.pk):
        Schedule.objects.filter(pk=made.pk).update(next_at=Now() - timedelta(**ago))


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 9 * * 1-5", "UTC", "2026-01-02T10:00+00:00", ["2026-01-05T09:00+00:00", "2026-01-06T09:00+00:00"]),
        ("0 9 * * *", "Asia/Tokyo", "2026-01-02T00:00+00:00", ["2026-01-03T00:00+00:00", "2026-01-04T00:00+00:00"]),
        # The night in which 2:00 becomes 3:00: what falls between happens at 3:00, once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+00:00", ["2026-03-29T01:00+00:00", "2026-03-30T00:30+00:00"]),
        # The night in which 3:00 becomes 2:00: what falls into both hours happens in the first.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+00:00", ["2026-10-25T00:30+00:00", "2026-10-26T01:30+00:00"]),
        # What happens every hour goes on every hour through both nights.
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30+00:00", ["2026-10-25T00:00+00:00", "2026-10-25T01:00+00:00"]),
        ("0 * * * *", "Europe/Berlin", "2026-03-29T00:30+00:00", ["2026-03-29T01:00+00:00", "2026-03-29T02:00+00:00"]),
    ],
)
def test_a_schedule_is_due_by_the_clock_of_its_zone(cron: str, zone: str, after: str, expected: list[str]) -> None:
    found = ticks(cron, zone, after=datetime.fromisoformat(after))
    assert [next(found) for _ in expected] == [datetime.fromisoformat(each) for each in expected]


def test_the_next_times_are_shown_by_the_clock_of_the_zone() -> None:
    shown = next_ticks("0 9 * * *", "America/New_York", after=NOW, count=2)
    assert [each.isoformat() for each in shown] == ["2026-01-05T09:00:00-05:00", "2026-01-06T09:00:00-05:00"]


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "* * * * * *", "61 * * * *", "a b c d e", "0 0 30 2 *", "@daily", "*" * 200, "1/0 * * * *"]
)
def test_what_is_never_due_is_refused(cron: str) -> None:
    with pytest.raises(BadCron):
        check_cron(cron, "UTC")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "localtime2"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(BadTimeZone):
        check_cron("* * * * *", zone)


def test_a_tick_is_an_event_and_starts_what_waits_for_it(play: Play) -> None:
    made = schedule(play)
    shout = play.function(SHOUT)
    rule = play.rule("schedule.every_minute", shout, arguments={"text": "event.data.schedule"})
    assert tell_due_schedules() == 1
    [event] = play.events("schedule.every_minute")
    assert event.source == "/schedules/every_minute"
    play.work_off()
    [delivery] = play.deliveries(rule)
    assert delivery.state == DeliveryState.STARTED
    with scope(play.cast.acme.pk):
        assert find_schedule(actor=play.cast.viewer, schedule_id=made.pk).next_at > datetime.now(UTC) - timedelta(seconds=5)
    assert tell_due_schedules() == 0


@pytest.mark.parametrize(("catch_up", "told"), [("skip", 0), ("last", 1), ("all", 10)])
def test_what_nobody_told_is_caught_up_as_the_schedule_says(play: Play, catch_up: str, told: int) -> None:
    made = schedule(play, cron="0 * * * *", catch_up=catch_up)
    with scope(play.cast.acme.pk):
        late = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
        Schedule.objects.filter(pk=made.pk).update(next_at=late)
    found = tell_due_schedules()
    events = play.events("schedule.every_minute")
    is_on_the_hour = datetime.now(UTC).minute == 0
    assert found == len(events) == (1 if catch_up == "skip" and is_on_the_hour else told)
    due = [datetime.fromisoformat(event.data["due_at"]) for event in events]
    assert due == sorted(due)
    assert all(event.data["missed"] == 30 for event in events)


def test_after_a_month_a_week_is_looked_through_and_the_last_time_told(play: Play) -> None:
    made = schedule(play, catch_up="last")
    due_since(play, made, days=30)
    assert tell_due_schedules() == 1
    [event] = play.events("schedule.every_minute")
    assert datetime.now(UTC) - datetime.fromisoformat(event.data["due_at"]) < timedelta(minutes=2), "the last one, not one of old"
    assert event.data["missed"] == pytest.approx(7 * 24 * 60, abs=3)
    with scope(play.cast.acme.pk):
        assert Schedule.objects.get(pk=made.pk).next_at > datetime.now(UTC) - timedelta(seconds=5)


def test_a_schedule_that_breaks_keeps_no_other(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    broken = schedule(play, "broken")
    schedule(play)
    with scope(play.cast.acme.pk):
        Schedule.objects.filter(pk=broken.pk).update(time_zone="Mars/Olympus", next_at=NOW - timedelta(days=1))
    assert tell_due_schedules() == 1
    assert f"triggers.schedule_broken schedule={broken.pk}" in caplog.text
    assert len(play.events("schedule.every_minute")) == 1


def test_what_was_told_is_never_told_again(play: Play) -> None:
    made = schedule(play)
    assert tell_due_schedules() == 1
    with scope(play.cast.acme.pk):
        [event] = Event.objects.filter(type="schedule.every_minute")
        Schedule.objects.filter(pk=made.pk).update(next_at=datetime.fromisoformat(event.data["due_at"]), catch_up="last")
    tell_due_schedules()
    dues = [each.data["due_at"] for each in play.events("schedule.every_minute")]
    assert len(dues) == len(set(dues))


def test_a_schedule_that_is_off_tells_nothing(play: Play) -> None:
    made = schedule(play)
    with scope(play.cast.acme.pk):
        update_schedule(
            actor=play.cast.developer,
            schedule_id=made.pk,
            cron="* * * * *",
            time_zone="UTC",
            catch_up="last",
            is_active=False,
            now=NOW,
        )
    due_since(play, made, minutes=5)
    assert tell_due_schedules() == 0


def test_switching_on_again_catches_nothing_up(play: Play) -> None:
    made = schedule(play, catch_up="all")
    due_since(play, made, hours=3)
    with scope(play.cast.acme.pk):
        update_schedule(
            actor=play.cast.developer, schedule_id=made.pk, cron="0 0 1 1 *", time_zone="UTC", catch_up="all", is_active=True,
            now=datetime.now(UTC),
        )  # fmt: skip
    assert tell_due_schedules() == 0


def test_who_may_write_schedules_and_what_they_may_be(play: Play) -> None:
    made = schedule(play)
    with pytest.raises(ScheduleNameTaken):
        schedule(play)
    for name in ("", "Every", "a.b", "ä", "a" * 61, "a b"):
        with pytest.raises(BadSchedule):
            schedule(play, name)
    with pytest.raises(BadSchedule):
        schedule(play, "other", catch_up="some")
    with scope(play.cast.acme.pk):
        with pytest.raises(PermissionMissing):
            create_schedule(actor=play.cast.operator, name="mine", cron="* * * * *", now=NOW)
        with pytest.raises(PermissionMissing):
            delete_schedule(actor=play.cast.operator, schedule_id=made.pk)
    with scope(play.cast.globex.pk), pytest.raises(NoSuchSchedule):
        find_schedule(actor=play.cast.stranger, schedule_id=made.pk)


def test_a_rule_waits_for_no_schedule_that_does_not_exist(play: Play) -> None:
    shout = play.function(SHOUT)
    with pytest.raises(BadRule, match="no schedule"):
        play.rule("schedule.nightly", shout, arguments={"text": "'a'"})


class TestSeveralSchedulers:
    """They are threads with connections of their own, so what the test writes is committed."""

    @pytest.fixture
    def cast(self, transactional_cast: SimpleNamespace) -> SimpleNamespace:
        return transactional_cast

    def test_many_schedulers_at_once_tell_a_tick_once(self, play: Play) -> None:
        made = [schedule(play, f"every_minute_{number}") for number in range(5)]
        start, told = threading.Barrier(6), []

        def look() -> None:
            try:
                start.wait()
                told.extend(tell_due_schedules() for _ in range(3))
            finally:
                connection.close()

        threads = [threading.Thread(target=look) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with scope(play.cast.acme.pk):
            keys = list(Event.objects.exclude(key=None).values_list("key", flat=True))
        assert sum(told) == len(keys) == len(set(keys))
        assert {key.split()[1] for key in keys} == {str(each.pk) for each in made}
