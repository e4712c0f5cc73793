"""How long runs took: places of dots, scales, and the same in words."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st

from apps.core.tenancy import scope
from apps.dashboard import scatter
from apps.dashboard.scatter import BOTTOM, LEFT, RIGHT, TOP, Timed, draw, scatter_of
from apps.runs.models import Run
from apps.runs.states import RunState
from tests.dashboard.conftest import make_function, make_run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def timed(number: int, minutes: float, seconds: float, state: str = "succeeded") -> Timed:
    return Timed(UUID(int=number), "shout", state, NOON + timedelta(minutes=minutes), seconds)


def test_later_is_further_right_and_longer_is_higher_up() -> None:
    drawn = draw([timed(1, 0, 1), timed(2, 30, 4), timed(3, 60, 2)], is_log=False)
    assert [dot.run_id.int for dot in drawn.dots] == [1, 2, 3]
    assert [dot.x for dot in drawn.dots] == [LEFT, 50, RIGHT]
    first, second, third = (dot.y for dot in drawn.dots)
    assert second < third < first
    assert [tick.words for tick in drawn.durations] == ["0 ms", "1.0 s", "2.0 s", "3.0 s", "4.0 s"]
    assert (drawn.durations[0].place, drawn.durations[-1].place) == (BOTTOM, TOP)


def test_each_power_of_ten_has_as_much_room_as_the_next() -> None:
    drawn = draw([timed(1, 0, 0.01), timed(2, 1, 0.1), timed(3, 2, 1), timed(4, 3, 10)], is_log=True)
    places = [dot.y for dot in drawn.dots]
    steps = [round(low - high, 1) for low, high in pairwise(places)]
    assert len(set(steps)) == 1
    assert [tick.words for tick in drawn.durations] == ["10 ms", "100 ms", "1.0 s", "10.0 s"]


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e7)), min_size=1, max_size=20),
    st.booleans(),
)
def test_no_dot_leaves_the_drawing(told: list[tuple[float, float]], is_log: bool) -> None:
    drawn = draw([timed(number, *each) for number, each in enumerate(told)], is_log=is_log)
    assert all(LEFT <= dot.x <= RIGHT and TOP <= dot.y <= BOTTOM for dot in drawn.dots)
    assert all(0 <= tick.place <= 100 for tick in (*drawn.durations, *drawn.times))


def test_in_words_each_state_has_its_count_and_middle_and_a_way_to_the_longest() -> None:
    drawn = draw([timed(1, 0, 1), timed(2, 1, 5), timed(3, 2, 3), timed(4, 3, 9, "failed")], is_log=False)
    told = [(row.state, row.count, row.shortest, row.middle, row.longest, row.longest_id.int) for row in drawn.in_words]
    assert told == [("succeeded", 3, 1, 3, 5, 2), ("failed", 1, 9, 9, 9, 4)]
    assert [dot.tone for dot in drawn.dots] == ["good", "good", "good", "bad"]
    assert drawn.dots[3].title == "shout, failed, 9.0 s, 01 Mar 2026, 12:03:00"


@pytest.fixture
def runs(cast: SimpleNamespace) -> list[Run]:
    with scope(cast.acme.pk):
        version = make_function(cast.developer)
        made = [make_run(cast.developer, version, state=RunState.SUCCEEDED, started_at=NOON, finished_at=NOON) for _ in range(4)]
        make_run(cast.developer, version)  # waits, and has no duration
        return made


def test_the_newest_are_drawn_and_it_is_said_that_there_are_more(cast: SimpleNamespace, runs: list[Run], monkeypatch) -> None:
    monkeypatch.setattr(scatter, "MOST_DOTS", 3)
    with scope(cast.acme.pk):
        drawn = scatter_of(Run.objects.all(), now=NOON, is_log=False)
    assert drawn is not None
    assert drawn.is_cut
    assert {dot.run_id for dot in drawn.dots} == {run.pk for run in runs[1:]}


def test_what_still_runs_has_taken_as_long_as_it_has_until_now(cast: SimpleNamespace) -> None:
    with scope(cast.acme.pk):
        run = make_run(cast.developer, make_function(cast.developer), state=RunState.RUNNING, started_at=Now())
        started_at = Run.objects.get(pk=run.pk).started_at
        drawn = scatter_of(Run.objects.all(), now=started_at + timedelta(seconds=7), is_log=False)
    assert drawn is not None
    assert "running, 7.0 s" in drawn.dots[0].title


def test_without_a_run_that_has_started_nothing_is_drawn(cast: SimpleNamespace) -> None:
    with scope(cast.acme.pk):
        make_run(cast.developer, make_function(cast.developer))
        assert scatter_of(Run.objects.all(), now=NOON, is_log=True) is None
