"""Warm boxes: given out once, replaced, frozen meanwhile, all gone at the end."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import Box, BoxSize, DockerDriver, FakeDriver, Job, Pool, SandboxError, SandboxUnavailable
from sandbox.cgroup import CgroupV1


@pytest.fixture
def pool(fake: FakeDriver) -> Iterator[Pool]:
    with Pool(fake, warm=2, labels={"worker": "w"}) as pool:
        assert pool.wait_until_warm(20)
        yield pool


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
    assert len(set(taken)) == 6


def test_a_warm_box_that_died_is_not_given_out(pool: Pool) -> None:
    dead = list(pool._boxes)
    for box in dead:
        box._vessel.kill()
    with pool.take() as box:
        assert box.id not in {each.id for each in dead}
        assert box.is_alive()


def test_a_box_of_another_size_is_started_for_its_taker(pool: Pool) -> None:
    with pool.take(size=BoxSize(memory_bytes=512 << 20)) as box:
        assert box.size.memory_bytes == 512 << 20
    assert pool.ready == 2


def test_a_closed_pool_leaves_nothing_and_gives_nothing(fake: FakeDriver, home: Path) -> None:
    with Pool(fake, warm=2) as pool:
        assert pool.wait_until_warm(20)
    assert list((home / "boxes").iterdir()) == []
    with pytest.raises(SandboxError):
        pool.take()
    pool.close()


def test_a_pool_without_an_engine_says_so_to_the_taker_and_closes(home: Path) -> None:
    driver = DockerDriver(
        image="i", runtime="runsc", home=home / "b", environments=home / "e", installation="x", engine=f"unix://{home}/no.sock"
    )
    with Pool(driver, warm=1) as pool, pytest.raises(SandboxUnavailable):
        pool.take()


def is_frozen(box: Box) -> bool:
    cgroup = box._vessel.cgroup  # type: ignore[attr-defined]
    if isinstance(cgroup, CgroupV1):
        return cgroup._state.read_text().strip() != "THAWED"
    return "frozen 1" in (cgroup._folder / "cgroup.events").read_text()


@pytest.mark.gvisor
def test_boxes_are_frozen_while_they_wait_and_thawed_when_given_out(gvisor: DockerDriver, make_job: Callable[..., Job]) -> None:
    with Pool(gvisor, warm=1) as pool:
        assert pool.wait_until_warm(30)
        (box,) = pool._boxes
        assert is_frozen(box)
        with pool.take(labels={"run": "1"}) as taken:
            assert taken is box
            assert not is_frozen(box)
            assert taken.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok
