"""How functions do: what their last runs came to. Told to the graph, which knows no runs itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from apps.functions.graph import FUNCTION, Graph
from apps.functions.models import Function
from apps.runs.models import Run, RunQuerySet
from apps.runs.states import FAILED, RunState

LOOKED_BACK = 20
"""Ended runs of a function that count: enough to tell a bad day from a bad function, few enough to read for all of them."""

SUMMED_UP = 200
"""Ended runs of which one function's own page tells figures."""

TELLING = (RunState.SUCCEEDED, *FAILED)
"""Ends that say something about the function. What people cancelled or refused, and what is open, does not."""


class Health(StrEnum):
    """The last run decides between failing and not; one that failed among those before makes it unsteady."""

    HEALTHY = "healthy"
    UNSTEADY = "unsteady"
    FAILING = "failing"
    NEVER_RUN = "never_run"


def judge_health(states: list[str]) -> Health:
    """From the ends of the last runs, newest first. What people cancelled or refused says nothing about a function."""
    if not states:
        return Health.NEVER_RUN
    if states[0] in FAILED:
        return Health.FAILING
    return Health.UNSTEADY if any(state in FAILED for state in states) else Health.HEALTHY


def draw_health(graph: Graph) -> None:
    """Tell every function of the library in the graph how it does. One query, which reads a few runs of each by index."""
    rows = Function.objects.library().values_list("pk", ArraySubquery(last_ends().values("state")[:LOOKED_BACK]))
    ends = dict(rows)
    for node in graph.of_kind(FUNCTION):
        if node.row_id is not None:
            node.health = judge_health(ends.get(node.row_id, []))


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that says something about its function. `seconds` is None where it never began."""

    run_id: UUID
    state: RunState
    seconds: float | None
    cpu_seconds: float | None
    at: datetime | None

    @property
    def went_well(self) -> bool:
        return self.state == RunState.SUCCEEDED


@dataclass(frozen=True, slots=True)
class Record:
    """What the latest runs of a function came to, oldest first. Times are in seconds and of those that went well."""

    runs: Sequence[Ended]

    @property
    def health(self) -> Health:
        return judge_health([each.state for each in reversed(self.runs[-LOOKED_BACK:])])

    @property
    def percent_well(self) -> int:
        """Rounded down: one failure among hundreds is not 100 %."""
        return math.floor(100 * sum(each.went_well for each in self.runs) / len(self.runs)) if self.runs else 0

    @property
    def median_seconds(self) -> float | None:
        return self._quantile(0.5)

    @property
    def slow_seconds(self) -> float | None:
        """The 95th percentile."""
        return self._quantile(0.95)

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all of them, gVisor's own in it."""
        return sum(each.cpu_seconds or 0.0 for each in self.runs)

    @property
    def last(self) -> Ended | None:
        return self.runs[-1] if self.runs else None

    @property
    def last_failure(self) -> Ended | None:
        return next((each for each in reversed(self.runs) if not each.went_well), None)

    def _quantile(self, share: float) -> float | None:
        """By the nearest rank: a time that a run really took."""
        times = sorted(each.seconds for each in self.runs if each.went_well and each.seconds is not None)
        return times[max(0, math.ceil(share * len(times)) - 1)] if times else None


def record_of(function: Function) -> Record:
    """The latest runs of a function. One query, which reads no more than it tells, by index."""
    rows = Run.objects.without_trials().filter(function=function, state__in=TELLING).order_by("-pk")[:SUMMED_UP]
    columns = rows.values_list("pk", "state", "seconds", "used__cpu_seconds", "finished_at")
    return Record([Ended(pk, RunState(state), *times) for pk, state, *times in columns][::-1])


def last_ends() -> RunQuerySet:
    """For each function of a query around it, the newest run that says something about it."""
    ended: RunQuerySet = Run.objects.without_trials().filter(function=OuterRef("pk"), state__in=TELLING).order_by("-pk")
    return ended
