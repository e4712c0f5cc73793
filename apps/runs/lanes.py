"""Which workspace's turn it is. A lane is a workspace's queue; whoever runs least for its weight goes first.

Nothing is counted beside the rows themselves, so nothing can drift: what runs is few, and what waits is found by its index.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Case, Count, FloatField, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, Now

from apps.core import leases
from apps.core.errors import LimitReached
from apps.core.tenancy import every_workspace
from apps.runs.models import Run
from apps.runs.slots import with_free_slot
from apps.runs.states import RunState
from apps.workspaces.models import Workspace

RETRY_AFTER_SECONDS = 30
# Only the index of waiting runs has this order. By the id alone the primary key has it too, and PostgreSQL took that one: it
# then walked through all that waits in one workspace to learn that nothing waits in another.
OLDEST_FIRST = ("created_at", "id")
RESERVE_FROM = 4  # places of a worker; below, keeping one free would cost too much of it


class QueueFull(LimitReached):
    code = "queue_full"


class Places:
    """The places for runs in this process: its threads. The last is kept for workspaces in which nothing runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take one. True when it is the last, which is not for everybody."""
        with self._lock:
            self._taken += 1
            is_last = self._taken >= settings.CELERY_WORKER_CONCURRENCY >= RESERVE_FROM
        try:
            yield is_last
        finally:
            with self._lock:
                self._taken -= 1


places = Places()


def claim_next(*, only_idle: bool = False) -> Run | None:
    """Claim the run whose turn it is; None when none may begin now."""
    for workspace_id in _lanes(only_idle=only_idle):
        rows = partial(_next_of, workspace_id)
        if run := leases.claim(rows, from_state=RunState.QUEUED, to_state=RunState.RUNNING):
            return run
    return None


def claimable(rows: QuerySet[Run]) -> QuerySet[Run]:
    """Those that wait, whose time has come and whose time is not over, and that need no slot which is taken."""
    in_time = ~Q(queue_deadline_at__lte=Now()) & ~Q(total_deadline_at__lte=Now())
    return with_free_slot(leases.due(rows, RunState.QUEUED).filter(in_time))


def check_queue(*, must_take: bool = False) -> None:
    """Refuse a run more, unless it must be taken, when the workspace in scope has as many waiting as it may.

    Counted without a lock: requests at the same moment may go over by their number.

    Raises:
        QueueFull
    """
    most = settings.WORKSPACE_QUEUED_RUNS
    if not must_take and Run.objects.filter(state=RunState.QUEUED)[:most].count() >= most:
        raise QueueFull(
            f"This workspace has {most} runs waiting, as many as it may. Try again when some have begun, or cancel some.",
            retry_after=RETRY_AFTER_SECONDS,
        )


def _lanes(*, only_idle: bool) -> list[UUID]:
    """Workspaces with a run that could begin: least running for its weight first, then the one that waits longest."""
    most = 1 if only_idle else settings.WORKSPACE_RUNNING_RUNS
    with every_workspace(reason="the lanes of all workspaces are compared"), connection.cursor() as cursor:
        cursor.execute(*_lanes_statement(most, tuple(settings.WORKSPACE_WEIGHTS.items())))
        return [workspace_id for (workspace_id,) in cursor.fetchall()]


@cache
def _lanes_statement(most: int, weights: tuple[tuple[str, int], ...]) -> tuple[str, tuple[Any, ...]]:
    """Workers ask this before and after every run; writing it anew each time cost them as much as asking."""
    of_lane = Run.objects.filter(workspace=OuterRef("pk")).order_by()
    running = of_lane.filter(state=RunState.RUNNING).values("workspace").annotate(number=Count("pk")).values("number")
    lanes = Workspace.objects.annotate(
        oldest=Subquery(claimable(of_lane).order_by(*OLDEST_FIRST).values("created_at")[:1]),
        running=Coalesce(Subquery(running, output_field=IntegerField()), 0),
    ).filter(oldest__isnull=False, running__lt=most)
    weight = Case(*(When(slug=slug, then=Value(float(given))) for slug, given in weights), default=Value(1.0))
    statement: tuple[str, tuple[Any, ...]] = (
        lanes.order_by(Cast("running", FloatField()) / weight, "oldest").values_list("pk").query.sql_with_params()
    )
    return statement


def _next_of(workspace_id: UUID) -> QuerySet[Run]:
    """The lane's oldest run, unless the lane has filled up since it was looked at. Inside the claim's transaction."""
    hold_lane(workspace_id)
    if Run.objects.filter(workspace=workspace_id, state=RunState.RUNNING).count() >= settings.WORKSPACE_RUNNING_RUNS:
        return Run.objects.none()
    return claimable(Run.objects.filter(workspace=workspace_id)).order_by(*OLDEST_FIRST)


def hold_lane(workspace_id: UUID) -> None:
    """Claims of one lane follow one another, so that none goes over the limit; those of different lanes do not wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"lane {workspace_id}"])
