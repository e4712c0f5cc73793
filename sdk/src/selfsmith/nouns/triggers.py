"""Events, the rules that wait for them, and schedules that tell them by the clock."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from selfsmith.errors import NotFound
from selfsmith.models import Delivery, Event, EventDetail, Rule, Schedule
from selfsmith.nouns.base import Id, Noun, read, segment


class Events(Noun):
    def list(
        self,
        *,
        type: str = "",  # noqa: A002  CloudEvents' word
        search: str = "",
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Newest first, all pages."""
        return self._pages(Event, "/events", type=type, search=search, limit=limit)

    def get(self, event_id: Id) -> EventDetail:
        return read(EventDetail, self._transport.get(f"/events/{segment(event_id)}"))

    def emit(
        self,
        type: str,  # noqa: A002  CloudEvents' word
        data: Mapping[str, Any] | None = None,
        *,
        subject: str = "",
        idempotency_key: str | None = None,
    ) -> Event:
        """Tell an event. Without a key of your own one is made up, so that a lost answer never tells it twice."""
        body = {"type": type, "data": dict(data or {}), "subject": subject}
        headers = {"Idempotency-Key": idempotency_key or uuid4().hex}
        return read(Event, self._transport.json("POST", "/events", body=body, headers=headers, repeatable=True))

    def replay(self, event_id: Id) -> Event:
        return read(Event, self._transport.json("POST", f"/events/{segment(event_id)}/replay"))


class Rules(Noun):
    def list(self, *, name: str = "", limit: int | None = None) -> Iterator[Rule]:
        """Newest first, all pages; `name` finds the one that is called exactly so."""
        return self._pages(Rule, "/rules", name=name, limit=limit)

    def get(self, rule_id: Id) -> Rule:
        return read(Rule, self._transport.get(f"/rules/{segment(rule_id)}"))

    def by_name(self, name: str) -> Rule:
        """Raises: NotFound"""
        for rule in self.list(name=name, limit=1):
            return rule
        raise NotFound(f"There is no rule {name!r} here.", code="no_such_rule", status=404)

    def create(self, **stated: Any) -> Rule:
        """Write a rule, which is on at once. `stated` are the fields of the API: name, event_type, target, and at will
        function, condition, arguments, error_handler, most_per_minute, most_running."""
        return read(Rule, self._transport.json("POST", "/rules", body=stated))

    def update(self, rule_id: Id, **stated: Any) -> Rule:
        """Say anew all that a rule says."""
        return read(Rule, self._transport.json("PUT", f"/rules/{segment(rule_id)}", body=stated))

    def switch(self, rule_id: Id, *, is_active: bool) -> Rule:
        path = f"/rules/{segment(rule_id)}/switch"
        return read(Rule, self._transport.json("POST", path, body={"is_active": is_active}, repeatable=True))

    def fire(self, rule_id: Id, data: Mapping[str, Any] | None = None) -> Delivery:
        body = {"data": dict(data or {})}
        return read(Delivery, self._transport.json("POST", f"/rules/{segment(rule_id)}/fire", body=body))

    def deliveries(self, rule_id: Id, *, state: str = "", limit: int | None = None) -> Iterator[Delivery]:
        return self._pages(Delivery, f"/rules/{segment(rule_id)}/deliveries", state=state, limit=limit)

    def delete(self, rule_id: Id) -> None:
        self._transport.json("DELETE", f"/rules/{segment(rule_id)}")


class Schedules(Noun):
    def list(self, *, limit: int | None = None) -> Iterator[Schedule]:
        """Newest first, all pages."""
        return self._pages(Schedule, "/schedules", limit=limit)

    def get(self, schedule_id: Id) -> Schedule:
        return read(Schedule, self._transport.get(f"/schedules/{segment(schedule_id)}"))

    def create(self, name: str, cron: str, *, time_zone: str = "UTC", catch_up: str = "last") -> Schedule:
        body = {"name": name, "cron": cron, "time_zone": time_zone, "catch_up": catch_up}
        return read(Schedule, self._transport.json("POST", "/schedules", body=body))

    def update(
        self, schedule_id: Id, cron: str, *, time_zone: str = "UTC", catch_up: str = "last", is_active: bool = True
    ) -> Schedule:
        body = {"cron": cron, "time_zone": time_zone, "catch_up": catch_up, "is_active": is_active}
        return read(Schedule, self._transport.json("PUT", f"/schedules/{segment(schedule_id)}", body=body))

    def delete(self, schedule_id: Id) -> None:
        self._transport.json("DELETE", f"/schedules/{segment(schedule_id)}")
