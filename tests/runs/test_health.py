"""How functions do, told from their last runs."""

import pytest

from apps.core.tenancy import scope
from apps.functions.graph import Graph, read_graph
from apps.runs.health import LOOKED_BACK, Health, judge_health
from apps.runs.states import RunState
from tests.dashboard.conftest import make_function, make_run

OK, FAILED, LATE, LOST = RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT, RunState.LOST


@pytest.mark.parametrize(
    ("states", "health"),
    [
        ([], Health.NEVER_RUN),
        ([OK], Health.HEALTHY),
        ([FAILED, OK, OK], Health.FAILING),
        ([LATE], Health.FAILING),
        ([LOST, OK], Health.FAILING),
        ([OK, FAILED], Health.UNSTEADY),
    ],
)
def test_the_last_run_decides_on_failing_and_those_before_on_unsteady(states: list[str], health: Health) -> None:
    assert judge_health(states) == health


def health_of(cast, name: str) -> str:
    graph: Graph = read_graph(actor=cast.viewer)
    return graph.nodes[f"function:{name}"].health


SILENT = (RunState.CANCELLED, RunState.REFUSED, RunState.EXPIRED, RunState.QUEUED, RunState.RUNNING, RunState.AWAITING_APPROVAL)


@pytest.mark.parametrize(("ended", "health"), [([], Health.NEVER_RUN), ([FAILED], Health.FAILING), ([OK], Health.HEALTHY)])
def test_runs_that_people_ended_or_that_are_open_say_nothing(cast, ended: list[str], health: Health) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, "shout")
        for state in (*ended, *SILENT):
            make_run(cast.developer, version, state=state)
        assert health_of(cast, "shout") == health


def test_a_failure_is_forgotten_after_so_many_runs_that_went_well(cast) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, "shout")
        make_run(cast.developer, version, state=FAILED)
        for _ in range(LOOKED_BACK - 1):
            make_run(cast.developer, version, state=OK)
        assert health_of(cast, "shout") == Health.UNSTEADY
        make_run(cast.developer, version, state=OK)
        assert health_of(cast, "shout") == Health.HEALTHY


def test_what_is_missing_has_no_health(cast) -> None:
    with scope(cast.acme.pk):
        make_function(cast.developer, "mail", dependencies=["gone"])
        assert health_of(cast, "gone") == ""
