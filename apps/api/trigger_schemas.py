"""The JSON of events and rules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from ninja import Field, Schema

from apps.triggers.cron import next_ticks
from apps.triggers.models import CatchUp, Delivery, Event, Rule, Schedule
from apps.triggers.services import MOST_PER_MINUTE, MOST_RUNNING, Trial
from apps.triggers.types import schedule_type


class EventIn(Schema):
    type: str = Field(max_length=100, description="words with dots between them, such as order.paid")
    data: dict[str, Any] = Field({}, description="at most 64 KiB")
    subject: str = Field("", max_length=300)


class EventOut(Schema):
    """A CloudEvent 1.0 without its data. `root` is the event with which its chain began, null for that one itself."""

    specversion: str = "1.0"
    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    function: str | None
    run: UUID | None
    replay_of: UUID | None
    root: UUID | None
    depth: int

    @staticmethod
    def of(event: Event) -> "EventOut":
        names = ("type", "source", "subject", "time", "depth")
        return EventOut(
            id=event.pk,
            function=event.function.name if event.function else None,
            run=event.run_id,
            replay_of=event.replay_of_id,
            root=event.root_id,
            **{name: getattr(event, name) for name in names},
        )


class DeliveryOut(Schema):
    """One event at one rule. `kind`: match, fire (by hand) or error (told to the error handler)."""

    id: UUID
    event: UUID
    event_type: str
    rule: UUID
    rule_name: str
    kind: str
    state: str
    reason: str
    run: UUID | None
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def of(delivery: Delivery) -> "DeliveryOut":
        names = ("kind", "state", "reason", "created_at", "finished_at")
        return DeliveryOut(
            id=delivery.pk,
            event=delivery.event_id,
            event_type=delivery.event.type,
            rule=delivery.rule_id,
            rule_name=delivery.rule.name,
            run=delivery.run_id,
            **{name: getattr(delivery, name) for name in names},
        )


class EventDetailOut(EventOut):
    data: dict[str, Any]
    deliveries: list[DeliveryOut] = Field(description="what came of it at each rule that waited for it")


class RuleIn(Schema):
    name: str = Field(max_length=100)
    event_type: str = Field(max_length=100)
    function: str | None = Field(None, description="name: only events about this function")
    condition: str = Field("", description="CEL over `event`; empty: always")
    target: str = Field(description="name of the function to run")
    arguments: dict[str, str] = Field({}, description="an expression in CEL for each argument of the target")
    error_handler: str | None = Field(None, description="name of a function that takes `event: dict`")
    most_per_minute: int = Field(60, ge=1, le=MOST_PER_MINUTE)
    most_running: int = Field(10, ge=1, le=MOST_RUNNING)


class RuleOut(Schema):
    id: UUID
    name: str
    event_type: str
    function: str | None
    condition: str
    target: str
    arguments: dict[str, str]
    error_handler: str | None
    most_per_minute: int
    most_running: int
    is_active: bool
    owner: str | None
    updated_at: datetime

    @staticmethod
    def of(rule: Rule) -> "RuleOut":
        names = ("name", "event_type", "condition", "arguments", "most_per_minute", "most_running", "is_active", "updated_at")
        return RuleOut(
            id=rule.pk,
            function=rule.function.name if rule.function else None,
            target=rule.target.name,
            error_handler=rule.error_handler.name if rule.error_handler else None,
            owner=str(rule.owner) if rule.owner else None,
            **{name: getattr(rule, name) for name in names},
        )


class SavedRuleOut(RuleOut):
    warning: str = Field(description="empty, or which rules may start one another in a circle")


class SwitchIn(Schema):
    is_active: bool


class FireIn(Schema):
    data: dict[str, Any] = Field({}, description="what the rule reads as event.data")


class TrialOut(Schema):
    event: UUID
    holds: bool
    arguments: dict[str, Any]
    problem: str

    @staticmethod
    def of(trial: Trial) -> "TrialOut":
        return TrialOut(event=trial.event.pk, holds=trial.holds, arguments=trial.arguments, problem=trial.problem)


CRON = Field(max_length=100, description="minute, hour, day of the month, month, day of the week")
TIME_ZONE = Field("UTC", max_length=60, description="such as Europe/Berlin")
CATCH_UP = Field(CatchUp.LAST, description="of the times that nobody told: skip, last, or all (ten at most)")


class ScheduleIn(Schema):
    name: str = Field(max_length=60, description="one word; rules wait for events of the type schedule.<name>")
    cron: str = CRON
    time_zone: str = TIME_ZONE
    catch_up: str = CATCH_UP


class TimesIn(Schema):
    cron: str = CRON
    time_zone: str = TIME_ZONE
    catch_up: str = CATCH_UP
    is_active: bool = True


class ScheduleOut(Schema):
    id: UUID
    name: str
    event_type: str
    cron: str
    time_zone: str
    catch_up: str
    is_active: bool
    next: list[datetime] = Field(description="the next times, if it is on")

    @staticmethod
    def of(schedule: Schedule) -> "ScheduleOut":
        names = ("name", "cron", "time_zone", "catch_up", "is_active")
        return ScheduleOut(
            id=schedule.pk,
            event_type=schedule_type(schedule.name),
            next=next_ticks(schedule.cron, schedule.time_zone, after=timezone.now()),
            **{name: getattr(schedule, name) for name in names},
        )
