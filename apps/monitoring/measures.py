"""The figures of an installation, counted across workspaces. They name no workspace, no person and no function.

What ended is counted over the last hour only: the cost of a look does not grow with the age of the installation.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, QuerySet, Sum
from django.db.models.functions import Coalesce, Now

from apps.agents.models import Task, TaskState
from apps.core import leases
from apps.core.ids import uuid7_floor
from apps.core.tenancy import every_workspace
from apps.llm.models import ConnectionState, LanguageModel
from apps.monitoring.models import ProcessReport
from apps.monitoring.reports import SILENT
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from apps.runs.models import Run
from apps.runs.states import OPEN, RunState
from apps.triggers.models import Delivery
from apps.triggers.states import DeliveryState

LATELY = timedelta(hours=1)
LONGEST = timedelta(days=2)
QUEUES: dict[str, tuple[Callable[[], QuerySet[Any]], str]] = {
    "runs": (Run.objects.all, RunState.QUEUED),
    "triggers": (Delivery.objects.all, DeliveryState.QUEUED),
    "tasks": (Task.objects.all, TaskState.QUEUED),
    "packages.resolve": (PackageSet.objects.all, PackageState.QUEUED),
    "packages.build": (PackageSet.objects.all, PackageState.APPROVED),
    "llm.tests": (LanguageModel.objects.all, ConnectionState.QUEUED),
}
"""Kind of work → where its rows are and the state in which they wait for a worker."""


@dataclass(frozen=True)
class Queue:
    """What waits for a worker: how many rows are due, and for how long the oldest has been."""

    due: int
    age_seconds: float


@dataclass(frozen=True)
class Process:
    name: str
    kind: str
    seen_seconds_ago: float
    warm_boxes: int


@dataclass(frozen=True)
class Measures:
    runs: dict[str, int]  # open ones, by state
    ended_lately: dict[str, int]  # of the last hour's runs, by state
    lost_lately: int  # runs that ended as lost within the last hour
    losses_lately: dict[str, int]  # of the last hour's work, by kind
    queues: dict[str, Queue]
    processes: tuple[Process, ...]
    free_bytes: int

    def living(self, kind: str) -> list[Process]:
        """Those that reported lately."""
        limit = SILENT.total_seconds()
        return [each for each in self.processes if each.kind == kind and each.seen_seconds_ago <= limit]


def take_measures() -> Measures:
    """One look at everything."""
    with every_workspace(reason="an operator's figures count rows of every workspace"):
        return Measures(
            runs={str(state): 0 for state in OPEN} | _by_state(Run.objects.filter(state__in=OPEN)),
            ended_lately=_by_state(_lately(Run).exclude(state__in=OPEN)),
            lost_lately=_lost_lately(),
            losses_lately={
                "runs": _losses(Run),
                "triggers": _losses(Delivery),
                "tasks": _losses(Task),
                "packages": _losses(PackageSet),
            },
            queues={kind: _queue(rows(), state) for kind, (rows, state) in QUEUES.items()},
            processes=_processes(),
            free_bytes=shutil.disk_usage(settings.HOME).free,
        )


def _by_state(rows: QuerySet[Run]) -> dict[str, int]:
    return dict(rows.order_by().values_list("state").annotate(number=Count("pk")))


def _lately(model: type[Any], span: timedelta = LATELY) -> QuerySet[Any]:
    """Rows that were made within the span, found by their ids, which begin with their time."""
    rows: QuerySet[Any] = model.objects.filter(pk__gte=uuid7_floor(datetime.now(UTC) - span))
    return rows


def _lost_lately() -> int:
    """No index finds these, so only runs that are not older than the longest may be are looked through."""
    return _lately(Run, LONGEST).filter(state=RunState.LOST, finished_at__gte=Now() - LATELY).count()


def _losses(model: type[Any]) -> int:
    return _lately(model).aggregate(total=Sum("losses"))["total"] or 0


def _queue(rows: QuerySet[Any], state: str) -> Queue:
    """A row waits since it became due: when it was queued (again), or else since it was made."""
    found = leases.due(rows, state).aggregate(due=Count("pk"), age=Max(Now() - Coalesce("not_before", "created_at")))
    return Queue(found["due"], max(0.0, found["age"].total_seconds()) if found["age"] else 0.0)


def _processes() -> tuple[Process, ...]:
    rows = ProcessReport.objects.annotate(silence=Now() - F("seen_at")).order_by("name")
    return tuple(Process(row.name, row.kind, row.silence.total_seconds(), row.warm_boxes) for row in rows)
