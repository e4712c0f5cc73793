"""Warm boxes: given out once, replaced, frozen meanwhile, all gone at the end."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox import (
    Box,
    BoxSize,
    DockerDriver,
    FakeDriver,
    Job,
    Pool,
    PoolBusy,
    PoolLimits,
    SandboxError,
    SandboxUnavailable,
    TakeCancelled,
)
from sandbox.cgroup import CgroupV1
from sandbox.fake_driver import _descendants
from sandbox.placing import runner_digest
from tests.waiting import wait_for

NONE_WARM = PoolLimits(minimum=0, maximum=0, starts=1)


@contextmanager
def pool_of(driver: FakeDriver | DockerDriver, **limits: float) -> Iterator[Pool]:
    """A pool whose boxes wait."""
    with Pool(driver, limits=PoolLimits(**limits), labels={"worker": "w"}) as pool:  # type: ignore[arg-type]  # counts are whole
        assert pool.wait_until_warm(30)
        yield pool


@pytest.fixture
def pool(fake: FakeDriver) -> Iterator[Pool]:
    with pool_of(fake, minimum=2, maximum=2) as pool:
        yield pool


def waiting(pool: Pool) -> list[Box]:
    return [warm.box for warm in pool._warm]


class GatedDriver(FakeDriver):
    """Starts a box only when the test lets it."""

    def __init__(self, driver: FakeDriver) -> None:
        super().__init__(home=driver.home, environments=driver.environments, runs_only_trusted_test_code=True)
        self.gate = threading.Semaphore(0)
        self.started: list[str] = []

    def start(self, **given: Any) -> Box:
        self.started.append(given.get("labels", {}).get("run", ""))
        assert self.gate.acquire(timeout=30)
        return super().start(**given)


def test_every_box_is_given_out_once_and_replaced(pool: Pool, make_job: Callable[..., Job]) -> None:
    seen = set()
    for number in range(4):
        with pool.take(labels={"run": str(number)}) as box:
            seen.add(box.id)
            assert box.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok
    assert len(seen) == 4
    assert pool.wait_until_warm(20)


def test_many_takers_never_share_a_box(pool: Pool) -> None:
    taken: list[str] = []

    def take() -> None:
        with pool.take() as box:
            taken.append(box.id)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 6


def test_a_warm_box_that_died_is_not_given_out(pool: Pool) -> None:
    dead = waiting(pool)
    for box in dead:
        box._vessel.kill()
    with pool.take() as box:
        assert box.id not in {each.id for each in dead}
        assert box.ping()


def test_a_warm_box_that_is_silent_is_not_given_out(fake: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool_of(fake, minimum=2, maximum=2) as pool:
        silent, good = waiting(pool)
        monkeypatch.setattr(silent._vessel, "thaw", lambda: None)  # it stays frozen, which nobody is told
        with pool.take() as box:
            assert box is good


def test_a_box_whose_child_died_is_not_given_out(pool: Pool) -> None:
    crippled = waiting(pool)
    for box in crippled:
        (child,) = _descendants(box._vessel._process.pid)  # type: ignore[attr-defined]
        box._vessel.thaw()
        os.kill(child, signal.SIGKILL)
        wait_for(lambda: " Z " in Path(f"/proc/{child}/stat").read_text())  # noqa: B023 (called at once)
    with pool.take() as box:
        assert box.id not in {each.id for each in crippled}


def test_a_box_of_another_size_is_started_for_its_taker(pool: Pool) -> None:
    with pool.take(size=BoxSize(memory_bytes=512 << 20)) as box:
        assert box.size.memory_bytes == 512 << 20
    assert pool.report().warm == 2


def test_a_closed_pool_leaves_nothing_and_gives_nothing(fake: FakeDriver, home: Path) -> None:
    with pool_of(fake, minimum=2, maximum=2) as pool, pool.take():
        pass
    assert list((home / "boxes").iterdir()) == []
    with pytest.raises(SandboxError), pool.take():
        pass
    pool.close()


def test_a_box_that_is_given_back_after_the_end_is_removed_too(fake: FakeDriver, home: Path) -> None:
    pool = Pool(fake, limits=NONE_WARM)
    with pool.take():
        pool.close()
    assert list((home / "boxes").iterdir()) == []


def test_a_pool_without_an_engine_says_so_to_the_taker_and_closes(home: Path) -> None:
    driver = DockerDriver(
        image="i", runtime="runsc", home=home / "b", environments=home / "e", installation="x", engine=f"unix://{home}/no.sock"
    )
    with Pool(driver) as pool, pytest.raises(SandboxUnavailable), pool.take():
        pass


def test_an_engine_that_fails_is_asked_again(fake: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([SandboxUnavailable("not yet"), OSError("not yet either")])
    honest = fake.start

    def start(**given: Any) -> Box:
        if (failure := next(failures, None)) is not None:
            raise failure
        return honest(**given)

    monkeypatch.setattr(fake, "start", start)
    with pool_of(fake, minimum=1, maximum=1) as pool:
        assert pool.report().warm == 1


def test_a_box_that_has_waited_for_its_age_is_replaced(fake: FakeDriver) -> None:
    with pool_of(fake, minimum=1, maximum=1, age_seconds=0.3) as pool:
        (first,) = waiting(pool)
        wait_for(lambda: bool(waiting(pool)) and waiting(pool) != [first])
        wait_for(lambda: not first._doorway.folder.exists())


def test_boxes_are_replaced_when_they_are_made_of_something_else(fake: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool_of(fake, minimum=2, maximum=2, look_seconds=0.05) as pool:
        before = set(waiting(pool))
        monkeypatch.setattr(fake, "edition", lambda: "another image")
        wait_for(lambda: len(waiting(pool)) == 2 and not before & set(waiting(pool)))


def test_more_boxes_wait_while_there_is_demand(fake: FakeDriver) -> None:
    with pool_of(fake, minimum=1, maximum=3) as pool:
        for _ in range(30):
            pool._demand.arrived()
        pool._demand.refilled(60)
        assert pool.report().target == 3
        with pool.take():
            assert pool.wait_until_warm(30)
        assert pool.report().warm == 3


def test_a_box_that_was_just_taken_comes_before_the_next_ones_start_while_others_wait(
    fake: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.pool._COURTESY_SECONDS", 60.0)
    with pool_of(fake, minimum=2, maximum=2) as pool, pool.take():
        assert pool.report().starting == 0
        assert not pool.wait_until_warm(0.2)
        with pool.take():  # nothing waits any more: the courtesy is over
            wait_for(lambda: pool.report().warm >= 1)


def test_only_one_waits_where_boxes_cannot_be_frozen(fake: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.fake_driver._ProcessVessel.freeze", lambda vessel: False)
    with Pool(fake, limits=PoolLimits(minimum=4, maximum=4, starts=1)) as pool:
        wait_for(lambda: pool.report().warm == 1 and not pool.report().can_freeze)
        assert pool.report().target == 1
        with pool.take() as box:
            assert box.ping()


def test_lanes_take_turns_for_the_boxes_that_are_started(fake: FakeDriver) -> None:
    """One workspace asks for three before another asks for one, which does not wait for all three."""
    driver = GatedDriver(fake)
    with Pool(driver, limits=NONE_WARM) as pool:
        threads = [
            threading.Thread(target=take_and_leave, args=(pool, lane, f"{lane}{number}"))
            for number, lane in enumerate(["acme", "acme", "acme", "globex"])
        ]
        for ahead, thread in enumerate(threads):
            thread.start()
            wait_for(lambda: pool.report().waiting == ahead if ahead else len(driver.started) == 1)  # noqa: B023
        for _ in threads:
            driver.gate.release()
        for thread in threads:
            thread.join()
    assert driver.started == ["acme0", "acme1", "globex3", "acme2"]


def take_and_leave(pool: Pool, lane: str, run: str) -> None:
    with pool.take(lane=lane, labels={"run": run}):
        pass


def test_a_taker_that_waits_too_long_is_told_so(fake: FakeDriver) -> None:
    driver = GatedDriver(fake)
    with Pool(driver, limits=PoolLimits(minimum=0, maximum=0, starts=1, wait_seconds=0.05)) as pool:
        first = threading.Thread(target=take_and_leave, args=(pool, "", "first"))
        first.start()
        wait_for(lambda: pool.report().starting == 1)
        with pytest.raises(PoolBusy), pool.take():
            pass
        driver.gate.release()
        first.join()
        assert pool.report().waiting == 0


def test_a_taker_that_is_cancelled_waits_no_longer(fake: FakeDriver) -> None:
    driver = GatedDriver(fake)
    with Pool(driver, limits=NONE_WARM) as pool:
        first = threading.Thread(target=take_and_leave, args=(pool, "", "first"))
        first.start()
        wait_for(lambda: pool.report().starting == 1)
        with pytest.raises(TakeCancelled), pool.take(cancelled=lambda: True):
            pass
        driver.gate.release()
        first.join()


def is_frozen(box: Box) -> bool:
    cgroup = box._vessel.cgroup  # type: ignore[attr-defined]
    if isinstance(cgroup, CgroupV1):
        return cgroup._state.read_text().strip() != "THAWED"
    return "frozen 1" in (cgroup._folder / "cgroup.events").read_text()


@pytest.mark.gvisor
def test_boxes_are_frozen_while_they_wait_and_thawed_when_given_out(gvisor: DockerDriver, make_job: Callable[..., Job]) -> None:
    with pool_of(gvisor, minimum=1, maximum=1) as pool:
        (box,) = waiting(pool)
        assert is_frozen(box)
        with pool.take(labels={"run": "1"}) as taken:
            assert taken is box
            assert not is_frozen(box)
            assert taken.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok


@pytest.mark.gvisor
def test_an_image_that_is_made_anew_replaces_the_boxes_of_the_old_one(gvisor: DockerDriver) -> None:
    image, runner = gvisor.edition().split()
    assert (image[:7], runner) == ("sha256:", runner_digest(gvisor.runner))
