"""How functions do, told from their last runs."""

import pytest
from django.utils.timezone import now

from apps.core.tenancy import scope
from apps.functions.graph import Graph, read_graph
from apps.runs.health import LOOKED_BACK, SUMMED_UP, Health, judge_health, record_of
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


def ended(cast, version, state: RunState, seconds: float, **used: float):
    return make_run(cast.developer, version, state=state, seconds=seconds, used=used, finished_at=now())


def test_a_record_tells_how_often_it_went_well_and_how_long_it_took(cast) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, "shout")
        for seconds in range(1, 20):
            ended(cast, version, OK, float(seconds), cpu_seconds=0.5)
        failure = ended(cast, version, LATE, 60.0)
        make_run(cast.developer, version, state=RunState.CANCELLED)
        record = record_of(version.function)
    assert (len(record.runs), record.percent_well, record.health) == (20, 95, Health.FAILING)
    assert (record.median_seconds, record.slow_seconds, record.cpu_seconds) == (10.0, 19.0, 9.5)
    assert record.last_failure.run_id == record.last.run_id == failure.pk


def test_one_failure_among_hundreds_is_not_all_well(cast) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, "shout")
        ended(cast, version, FAILED, 1.0)
        for _ in range(SUMMED_UP - 1):
            ended(cast, version, OK, 1.0)
        assert record_of(version.function).percent_well == 99
        ended(cast, version, OK, 1.0)
        assert record_of(version.function).percent_well == 100


def test_without_runs_a_record_tells_nothing(cast) -> None:
    with scope(cast.acme.pk):
        record = record_of(make_function(cast.developer, "shout").function)
    assert (record.health, record.median_seconds, record.last, record.last_failure) == (Health.NEVER_RUN, None, None, None)


def test_a_record_is_one_query(cast, django_assert_num_queries) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, "shout")
        for _ in range(30):
            ended(cast, version, OK, 1.0)
        with django_assert_num_queries(1):
            record_of(version.function)
