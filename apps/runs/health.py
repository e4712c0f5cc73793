"""How functions do: what their last runs came to. Told to the graph, which knows no runs itself."""

from enum import StrEnum

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from apps.functions.graph import FUNCTION, Graph
from apps.functions.models import Function
from apps.runs.models import Run
from apps.runs.states import FAILED, RunState

LOOKED_BACK = 20
"""Ended runs of a function that count: enough to tell a bad day from a bad function, few enough to read for all of them."""


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
    ended = Run.objects.without_trials().filter(function=OuterRef("pk"), state__in=[RunState.SUCCEEDED, *FAILED])
    rows = Function.objects.library().values_list("pk", ArraySubquery(ended.order_by("-pk").values("state")[:LOOKED_BACK]))
    ends = dict(rows)
    for node in graph.of_kind(FUNCTION):
        if node.row_id is not None:
            node.health = judge_health(ends.get(node.row_id, []))
