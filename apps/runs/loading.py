"""What of a function's runs goes by before its first line: executing its module, which is mostly imports."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from uuid import UUID

from django.conf import settings
from django.db.models import Sum

from apps.functions.models import FunctionVersion
from apps.runs.models import Run, Span
from apps.runs.states import RunState
from sandbox import LOADING

LOOKED_AT = 20
"""Runs. The latest that went well say what the next ones will be like."""

_FEWEST_RUNS = 3
_LEAST_SECONDS, _LEAST_SHARE = 0.1, 0.2


@dataclass(frozen=True)
class Loading:
    """Medians of the latest runs, in seconds: loading, and the whole of a run, which has it in it."""

    seconds: float
    of_seconds: float
    runs: int

    @property
    def percent(self) -> int:
        return round(100 * self.seconds / self.of_seconds)


def loading_worth_saving(version: FunctionVersion) -> Loading | None:
    """How long the latest runs of a version took to load, if doing it beforehand would pay; else None.

    It pays when loading takes a tenth of a second and a fifth of the run, and most runs come while a prepared box would
    still wait for them. Of spans, which the box tells, only good for a hint.
    """
    if version.imports_first:
        return None
    runs = Run.objects.filter(function=version.function_id, version=version, state=RunState.SUCCEEDED, seconds__gt=0)
    rows = runs.order_by("-id").values_list("id", "created_at", "seconds")[:LOOKED_AT]
    latest = [(run, created, seconds or 0.0) for run, created, seconds in rows]
    if len(latest) < _FEWEST_RUNS or not _come_close_together([created for _, created, _ in latest]):
        return None
    loading = _loading_of([run for run, _, _ in latest])
    found = Loading(
        seconds=median(loading.get(run, 0.0) for run, _, _ in latest),
        of_seconds=median(seconds for _, _, seconds in latest),
        runs=len(latest),
    )
    is_worth_it = found.seconds >= _LEAST_SECONDS and found.seconds >= _LEAST_SHARE * found.of_seconds
    return found if is_worth_it else None


def _come_close_together(newest_first: Sequence[datetime]) -> bool:
    waits = timedelta(seconds=settings.BOXES_KEPT_IDLE_SECONDS)
    gaps = [later - earlier for later, earlier in pairwise(newest_first)]
    return 2 * sum(gap <= waits for gap in gaps) > len(gaps)


def _loading_of(runs: Sequence[UUID]) -> dict[UUID, float]:
    told = Span.objects.filter(run__in=runs, function_name=LOADING, parent_key="").values_list("run_id")
    return {run: seconds or 0.0 for run, seconds in told.annotate(Sum("seconds"))}
