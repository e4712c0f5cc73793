"""Imports that are done beforehand are a favour: at nobody else's cost, and given up when they hang."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Box, BoxSize, Driver, Limits, Pool
from tests.sandbox.keeping import pool_of, run_kind
from tests.sandbox.test_imports_first import PACKAGE, TEXT, WITH_THE_JOB, job, package, run_prepared
from tests.waiting import wait_for

__all__ = ["package"]
HANGS = f"import os, time\nwhile 'KEY' not in os.environ: time.sleep(0.1)\n{PACKAGE}"


@pytest.fixture
def driver(fake: Driver) -> Driver:
    return fake


@pytest.fixture
def made(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each box was asked for."""
    times: list[float] = []
    start = driver.start

    def noted(**given: Any) -> Box:
        times.append(time.monotonic())
        return start(**given)

    monkeypatch.setattr(driver, "start", noted)
    return times


def is_settled(pool: Pool, kind: str) -> bool:
    return any(place.key == kind and place.is_settled for place in pool._shelf._places)


def test_more_kinds_than_may_wait_do_not_push_each_other_out_again_and_again(driver: Driver, package: Any, made: Any) -> None:
    with pool_of(driver, kept_most=2) as pool:
        kinds = [job(f"{TEXT}\n#{number}") for number in range(4)]
        for each in kinds:
            run_prepared(pool, each)
        assert not wait_for_any(lambda: len(made) > 3 * len(kinds), 3)
        assert all(pool._shelf.count(each.kind("acme") or "") for each in kinds[-2:]), "those that were wanted last"


@pytest.mark.parametrize("shares_box", [False, True])
def test_boxes_that_wait_with_their_imports_done_hold_no_more_memory_than_as_many_of_the_usual_size(
    driver: Driver, package: Any, shares_box: bool
) -> None:
    usual = BoxSize().memory_bytes
    with pool_of(driver, kept_most=4) as pool:
        for size in (1, 4, 2, 1, 3):
            one = job(shares_box=shares_box, limits=Limits(memory_bytes=size * usual))
            run_prepared(pool, one)
            wait_for(lambda one=one: is_settled(pool, one.kind("acme") or ""))
            places = pool._shelf._places
            wait_for(lambda places=places: sum(place.box.size.memory_bytes for place in places) <= 4 * usual, 5)
        too_large = job(shares_box=shares_box, limits=Limits(memory_bytes=5 * usual))
        for _ in range(2):
            assert run_prepared(pool, too_large)[1].result == WITH_THE_JOB
            wait_for(lambda: not shares_box or is_settled(pool, too_large.kind("acme") or ""))


@pytest.fixture
def imports_begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a box has been asked to do imports beforehand."""
    begun, ask = threading.Event(), Box.import_beforehand

    def told(box: Box, *given: Any, **more: Any) -> bool:
        begun.set()
        return ask(box, *given, **more)

    monkeypatch.setattr(Box, "import_beforehand", told)
    return begun


def wait_for_any(happens: Callable[[], bool], seconds: float) -> bool:
    """Whether something that should not happen does."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_whoever_waits_for_a_box_comes_before_one_that_is_prepared(
    driver: Driver, package: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr("sandbox.preparing._COURTESY_SECONDS", 0.0)
    with pool_of(driver, starts=1) as pool:
        obtain, ready = pool._preparer._obtain, threading.Barrier(4)

        def prepared(size: Any) -> Box:
            box = obtain(size)
            order.append("prepared")
            return box

        def take() -> None:
            ready.wait()
            with pool.take(lane="globex"):
                order.append("run")

        monkeypatch.setattr(pool._preparer, "_obtain", prepared)
        with pool._change:  # nobody is served before all wait
            takers = [threading.Thread(target=take) for _ in range(3)]
            for taker in takers:
                taker.start()
            ready.wait()
        wait_for(lambda: pool.report().waiting > 0)
        one = job()
        pool._preparer.expect("kind", one.limits.size, one.imports)  # type: ignore[arg-type]
        wait_for(lambda: len(order) == 4)
        for taker in takers:
            taker.join()
    assert order[-1] == "prepared"


def test_a_kept_box_whose_imports_hang_delays_no_other_kind(driver: Driver, package: Callable[[str], None]) -> None:
    package(HANGS)
    with pool_of(driver) as pool:
        run_prepared(pool, job(shares_box=True))
        run_kind(pool, "other")
        wait_for(lambda: is_settled(pool, "other"), 5)


def test_imports_of_a_kept_box_that_hang_are_not_tried_for_every_run(
    driver: Driver, package: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.shelf.IMPORT_SECONDS", 0.5)
    package(HANGS)
    one = job(shares_box=True)
    with pool_of(driver) as pool:
        first, _ = run_prepared(pool, one)
        wait_for(lambda: pool.report().kept == 0)  # it hung, and was given up
        second, _ = run_prepared(pool, one)
        wait_for(lambda: is_settled(pool, one.kind("acme") or ""))
        third, outcome = run_prepared(pool, one)
    assert outcome.result == WITH_THE_JOB
    assert first != second == third


@pytest.mark.parametrize("shares_box", [False, True])
def test_a_pool_that_closes_does_not_wait_for_imports_that_hang(
    driver: Driver, package: Callable[[str], None], shares_box: bool, imports_begun: threading.Event
) -> None:
    package(HANGS)
    with pool_of(driver) as pool:
        run_prepared(pool, job(shares_box=shares_box))
        assert imports_begun.wait(30)
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_an_engine_that_goes_away_does_not_wait_for_imports_that_hang(
    driver: Driver, package: Callable[[str], None], imports_begun: threading.Event
) -> None:
    package(HANGS)
    with pool_of(driver) as pool:
        run_prepared(pool, job(shares_box=True))
        assert imports_begun.wait(30)
        began = time.monotonic()
        pool._shelf.clear()
        assert time.monotonic() - began < 5
        assert pool.report().kept == 0


@pytest.mark.parametrize("shares_box", [False, True])
def test_where_boxes_may_not_be_frozen_no_package_s_code_waits_in_one(
    driver: Driver, package: Any, monkeypatch: pytest.MonkeyPatch, shares_box: bool
) -> None:
    one = job(shares_box=shares_box)
    with driver.start() as other:
        monkeypatch.setattr(type(other._vessel), "freeze", lambda _vessel: False)
    with pool_of(driver, minimum=1, maximum=1) as pool:
        assert pool.wait_until_warm(20)
        for _ in range(2):
            assert run_prepared(pool, one)[1].result == WITH_THE_JOB
            assert not wait_for_any(lambda: pool._shelf.count(one.kind("acme") or "") > shares_box, 1)


def test_a_box_that_cannot_be_frozen_is_not_stocked(driver: Driver, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = job()
    with pool_of(driver) as pool, driver.start() as other:
        monkeypatch.setattr(type(other._vessel), "freeze", lambda _vessel: False)
        run_prepared(pool, one)
        assert not wait_for_any(lambda: pool._shelf.count(one.kind("acme") or "") > 0, 2)
