"""What came of an event: of each rule that heard of it, and of the run that the rule started."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.canonical import canonical_json
from apps.core.tenancy import scope
from apps.triggers.models import Delivery
from apps.triggers.states import OPEN

MOST_RESULT_BYTES = 1024 * 1024
"""Of all runs together: a hundred rules may have heard of one event."""


@dataclass(frozen=True)
class Outcome:
    """`is_complete` when no rule and no run is left to wait for. `runs`: one entry for each rule that heard of it."""

    is_complete: bool
    runs: list[dict[str, Any]]


def outcome_of(workspace_id: UUID, event_id: UUID) -> Outcome:
    """As it stands now; opens a scope of its own."""
    with scope(workspace_id):
        rows = Delivery.objects.select_related("rule", "run__function").defer("run__arguments", "run__closure")
        deliveries = list(rows.filter(event=event_id).order_by("id"))
    left, told = MOST_RESULT_BYTES, []
    for delivery in deliveries:
        entry = _told_of(delivery)
        left -= len(canonical_json(entry["result"]).encode())
        if left < 0:
            entry |= {"result": None, "result_is_left_out": True}
        told.append(entry)
    return Outcome(not any(map(_is_open, deliveries)), told)


def _is_open(delivery: Delivery) -> bool:
    return delivery.state in OPEN or bool(delivery.run and delivery.run.is_open)


def _told_of(delivery: Delivery) -> dict[str, Any]:
    """Secrets are masked in all of it. `state` is the run's, or the rule's when it started none."""
    run = delivery.run
    found: dict[str, Any] = {"rule": delivery.rule.name, "result_is_left_out": False}
    if run is None:
        return {**found, "function": None, "run": None, "state": delivery.state, "message": delivery.reason, "result": None}
    told = {name: getattr(run, name) for name in ("state", "message", "result")}
    return {**found, "function": run.function.name, "run": str(run.pk), **told}
