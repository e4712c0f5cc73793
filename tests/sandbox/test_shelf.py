"""The boxes that a pool keeps between jobs of one kind: who gets which, and when one is given up."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import Box, Driver, Kind, Pool
from sandbox.shelf import AtWork
from tests.sandbox.keeping import do, pool_of, run_kind
from tests.waiting import wait_for

gvisor_only = pytest.mark.gvisor


def test_a_kind_finds_its_box_again_and_no_other_kind_does(fake: Driver) -> None:
    with pool_of(fake) as pool:
        first, _ = run_kind(pool, "a")
        other, _ = run_kind(pool, "b")
        again, outcome = run_kind(pool, "a")
    assert first == again != other
    assert outcome.ok


def test_two_jobs_of_a_kind_at_a_time_are_in_two_boxes(fake: Driver) -> None:
    with pool_of(fake) as pool, pool.take(kind="a") as one, pool.take(kind="a") as other:
        assert one is not other


def say_that_making_one_takes(pool: Pool, seconds: float) -> None:
    pool._demand.refill_seconds = seconds


def taken_by_another(pool: Pool, kind: str, *, saw: Callable[[int], object] = lambda waiting: None) -> "Future[str]":
    """The box that somebody else gets who asks now; once it is known, or once they wait for it. `saw` gets how many wait."""
    found: Future[str] = Future()

    def take() -> None:
        with pool.take(kind=kind) as box:
            found.set_result(box.id)

    threading.Thread(target=take, daemon=True).start()
    waiting = 0

    def is_decided() -> bool:
        nonlocal waiting
        waiting = pool.report().waiting_for_kept
        return waiting > 0 or found.done()

    wait_for(is_decided)
    saw(waiting)
    return found


def test_whoever_comes_while_a_box_of_short_jobs_is_at_work_waits_for_it(fake: Driver) -> None:
    with pool_of(fake) as pool:
        first, _ = run_kind(pool, "a")
        say_that_making_one_takes(pool, 20.0)
        with pool.take(kind="a") as box:
            assert do(box, "def main():\n    return 1").ok
            other = taken_by_another(pool, "a")
            assert not other.done()
        assert first == box.id == other.result(20)


@pytest.mark.parametrize(
    ("making_takes", "turn_seconds", "waits"),
    [(3.0, 0.1, 1), (20.0, 30.0, 0)],
    ids=["and no longer than it takes to make one", "not for jobs that take longer than that"],
)
def test_who_waits_in_vain_or_would_wait_too_long_gets_a_box_of_their_own(
    fake: Driver, making_takes: float, turn_seconds: float, waits: int
) -> None:
    waited: list[int] = []
    with pool_of(fake) as pool:
        run_kind(pool, "a")
        say_that_making_one_takes(pool, making_takes)
        wait_for(lambda: pool._shelf._places[0].is_settled)
        pool._shelf._kinds["a"].turn_seconds = turn_seconds
        with pool.take(kind="a") as box:
            assert taken_by_another(pool, "a", saw=waited.append).result(20) != box.id
    assert waited == [waits]


@pytest.mark.parametrize(
    ("turn_seconds", "waiting", "at_work", "pays"),
    [
        (8, 0, 1, True),
        (8, 1, 1, True),
        (8, 2, 1, False),
        (8, 2, 2, True),
        (30, 0, 1, False),
        (None, 0, 1, False),
        (8, 0, 0, False),
    ],
)
def test_waiting_pays_while_ones_turn_comes_sooner_than_another_box(
    turn_seconds: float | None, waiting: int, at_work: int, pays: bool
) -> None:
    assert AtWork(at_work=at_work, waiting=waiting, turn_seconds=turn_seconds).pays_to_wait(20.0) is pays


def test_a_turn_is_a_job_and_the_renewal_after_it_without_what_came_before(fake: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    start, hour, passed = fake.start, 3600.0, [0.0]

    def slowly(**given: Any) -> Box:
        passed.append(hour)
        return start(**given)

    monkeypatch.setattr("sandbox.shelf.time", SimpleNamespace(monotonic=lambda: time.monotonic() + sum(passed)))
    monkeypatch.setattr(fake, "start", slowly)
    with pool_of(fake) as pool:
        run_kind(pool, "a")
        wait_for(lambda: pool._shelf._places[0].is_settled)
        turn = pool._shelf._kinds["a"].turn_seconds
    assert turn is not None
    assert turn < hour, "making the box is no part of it"


def test_a_box_that_is_given_up_keeps_nobody_waiting(fake: Driver) -> None:
    with pool_of(fake) as pool:
        run_kind(pool, "a")
        say_that_making_one_takes(pool, 60.0)
        with pool.take(kind="a") as box:  # which does no job in order, and so is not kept
            other = taken_by_another(pool, "a")
            do(box, "import os\ndef main():\n    os._exit(3)")
            box.destroy()
        assert other.result(20) != box.id


def test_a_box_is_given_up_after_so_many_jobs(fake: Driver, home: Path) -> None:
    with pool_of(fake, kept_jobs=2) as pool:
        boxes = [run_kind(pool, "a")[0] for _ in range(3)]
        assert boxes[0] == boxes[1] != boxes[2]
        wait_for(lambda: not (home / "boxes" / boxes[0]).exists())


def test_a_box_is_given_up_when_nobody_needed_it_for_a_while(fake: Driver, home: Path) -> None:
    with pool_of(fake, kept_idle_seconds=0.05) as pool:
        run_kind(pool, "a")
        wait_for(lambda: pool.report().kept == 0 and not list((home / "boxes").iterdir()))


def test_the_longest_idle_makes_room(fake: Driver) -> None:
    with pool_of(fake, kept_most=1) as pool:
        first, _ = run_kind(pool, "a")
        run_kind(pool, "b")
        wait_for(lambda: pool.report().kept == 1)
        assert run_kind(pool, "a")[0] != first


def test_a_box_whose_job_had_to_be_ended_is_not_kept(fake: Driver) -> None:
    with pool_of(fake) as pool:
        ended, outcome = run_kind(pool, "a", "def main():\n    print('x' * 3_000_000)")
        assert outcome.kind is Kind.OUTPUT
        assert run_kind(pool, "a")[0] != ended


def test_a_box_that_died_on_the_shelf_is_replaced(fake: Driver) -> None:
    with pool_of(fake) as pool:
        first, _ = run_kind(pool, "a")
        pool._shelf._places[0].box._vessel.kill()
        again, outcome = run_kind(pool, "a")
    assert again != first
    assert outcome.ok


def test_a_box_whose_folder_is_gone_costs_the_run_nothing(fake: Driver, home: Path) -> None:
    with pool_of(fake) as pool, pool.take(kind="a") as box:
        assert do(box, "def main():\n    return 1").ok
        shutil.rmtree(home / "boxes" / box.id)
    assert not box.may_be_renewed


def test_a_box_that_waits_for_its_kind_is_labelled_for_its_process_and_no_run(fake: Driver) -> None:
    noted: list[dict[str, str]] = []
    with pool_of(fake) as pool:
        run_kind(pool, "a")
        fake.sweep(lambda labels: noted.append(dict(labels)) or True)  # type: ignore[func-returns-value]  # noted, then vouched for
    assert noted == [{"process": "p"}]


def test_a_closed_pool_leaves_no_kept_box(fake: Driver, home: Path) -> None:
    with pool_of(fake) as pool:
        run_kind(pool, "a")
        with pool.take(kind="b") as box:
            pool.close()
            assert do(box, "def main():\n    return 1").ok
    assert list((home / "boxes").iterdir()) == []


@gvisor_only
def test_a_kept_box_is_frozen_while_it_waits(gvisor: Driver) -> None:
    from tests.sandbox.test_pool import is_frozen

    with pool_of(gvisor) as pool:
        first, _ = run_kind(pool, "a")
        wait_for(lambda: pool._shelf._places[0].is_settled)
        assert is_frozen(pool._shelf._places[0].box)
        assert run_kind(pool, "a")[0] == first
