"""An engine that goes and comes back: what was frozen goes on, what waited is given up, and boxes wait again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from sandbox import Box, DockerDriver, Driver, Event, FakeDriver, Job, Kind, Pool, PoolLimits, SandboxUnavailable
from sandbox.docker_vessel import end_processes_of, processes_of
from sandbox.fake_driver import FakeTie
from tests.chaos.engine import Engine
from tests.sandbox.conftest import IMAGE
from tests.sandbox.test_pool import waiting
from tests.waiting import wait_for


class Leaving(FakeDriver):
    """Its engine goes and comes back when the test says so; what is frozen is thawed by nobody else meanwhile."""

    def __init__(self, driver: FakeDriver) -> None:
        super().__init__(home=driver.home, environments=driver.environments, runs_only_trusted_test_code=True)
        self.is_away = False
        self.ties: list[FakeTie] = []
        self.starts_while_away = self.asked_while_away = 0

    def tie(self) -> FakeTie:
        self.asked_while_away += self.is_away
        self._refuse_while_away()
        self.ties.append(FakeTie())
        return self.ties[-1]

    def start(self, **given: Any) -> Box:
        self.starts_while_away += self.is_away
        self._refuse_while_away()
        return super().start(**given)

    def go(self) -> None:
        self.is_away = True
        for tie in self.ties:
            tie.close()

    def _refuse_while_away(self) -> None:
        if self.is_away:
            raise SandboxUnavailable("Docker does not answer.")


@pytest.fixture
def leaving(fake: FakeDriver) -> Leaving:
    return Leaving(fake)


def has_stopped(box: Box) -> bool:
    pid = box._vessel._process.pid  # type: ignore[attr-defined]
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def is_gone(box: Box) -> bool:
    return not box._doorway.folder.exists()


def test_boxes_that_wait_are_given_up_when_the_engine_goes_and_others_wait_when_it_is_back(leaving: Leaving) -> None:
    with Pool(leaving, limits=PoolLimits(minimum=2, maximum=2)) as pool:
        assert pool.wait_until_warm(30)
        before = waiting(pool)
        leaving.go()
        wait_for(lambda: pool.report().warm == 0 and all(map(is_gone, before)))
        with pytest.raises(SandboxUnavailable), pool.take():
            pass
        leaving.is_away = False
        assert pool.wait_until_warm(30)
        assert not set(before) & set(waiting(pool))


def test_nothing_is_refilled_while_the_engine_is_away(leaving: Leaving) -> None:
    leaving.is_away = True
    with Pool(leaving, limits=PoolLimits(minimum=2, maximum=2)) as pool:
        wait_for(lambda: pool._is_engine_away and not pool.report().starting)  # those that had begun before are over
        tried, asked = leaving.starts_while_away, leaving.asked_while_away
        wait_for(lambda: leaving.asked_while_away >= asked + 3)  # longer than a refill rests after its first failure
        assert leaving.starts_while_away == tried


def test_boxes_wait_again_at_once_however_often_starts_have_failed(leaving: Leaving) -> None:
    leaving.is_away = True
    with Pool(leaving, limits=PoolLimits(minimum=2, maximum=2)) as pool:
        wait_for(lambda: pool._is_engine_away)
        pool._not_before = time.monotonic() + 60
        leaving.is_away = False
        assert pool.wait_until_warm(30)


def test_what_a_dead_worker_left_frozen_goes_on_when_a_worker_starts_beside_a_silent_engine(leaving: Leaving) -> None:
    left = leaving.start()
    left.freeze()
    leaving.is_away = True
    with left, Pool(leaving, limits=PoolLimits(minimum=0, maximum=0)):
        wait_for(lambda: not has_stopped(left))


def test_kept_boxes_are_given_up_too_and_none_is_kept_while_the_engine_is_away(
    leaving: Leaving, make_job: Callable[..., Job]
) -> None:
    def use(pool: Pool, while_it_runs: Callable[[], None] = lambda: None) -> None:
        with pool.take(kind="k") as box:
            while_it_runs()
            assert box.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok

    with Pool(leaving, limits=PoolLimits(minimum=1, maximum=1)) as pool:
        assert pool.wait_until_warm(30)
        use(pool)
        assert pool.report().kept == 1
        leaving.go()
        wait_for(lambda: pool.report().kept == 0)
        leaving.is_away = False
        assert pool.wait_until_warm(30)

        def go() -> None:
            leaving.go()
            wait_for(lambda: pool._is_engine_away)

        use(pool, go)
        assert pool.report().kept == 0


def test_a_pool_that_is_closed_watches_no_longer(leaving: Leaving) -> None:
    pool = Pool(leaving, limits=PoolLimits(minimum=0, maximum=0))
    wait_for(lambda: bool(leaving.ties))
    pool.close()
    assert not pool._watch._thread.is_alive()


def test_a_tie_that_is_closed_ends_its_wait(driver: Driver) -> None:
    tie = driver.tie()
    waiter = threading.Thread(target=tie.wait)
    waiter.start()
    tie.close()
    waiter.join(10)
    assert not waiter.is_alive()
    tie.close()


def test_what_is_frozen_goes_on(driver: Driver) -> None:
    with driver.start() as box:
        box.freeze()
        driver.thaw_all()
        assert box.ping(5)


@pytest.fixture
def without_engine(home: Path) -> DockerDriver:
    """Of the same installation as `gvisor`, but nobody answers it."""
    return DockerDriver(
        image=IMAGE,
        runtime="runsc",
        home=home / "boxes",
        environments=home / "environments",
        installation=home.name,
        engine=f"unix://{home}/no.sock",
    )


@pytest.mark.gvisor
def test_boxes_are_thawed_without_asking_the_engine(gvisor: DockerDriver, without_engine: DockerDriver) -> None:
    with gvisor.start() as box:
        box.freeze()
        without_engine.thaw_all()
        assert box.ping(5)


@contextmanager
def unheard(box: Box, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Inside, what is asked about this box's container reaches no engine; gives its id."""
    container = box._vessel.container  # type: ignore[attr-defined]
    nobody = docker.DockerClient(base_url=f"unix://{home}/no.sock", version="1.41")
    with monkeypatch.context() as away:
        away.setattr(container, "client", nobody)
        yield container.id
    nobody.close()


@pytest.mark.gvisor
def test_a_job_is_stopped_also_while_the_engine_is_away(
    gvisor: DockerDriver, home: Path, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    with gvisor.start() as box, unheard(box, home, monkeypatch) as container_id:
        told = box.run(make_job("def main():\n    while True: pass"), on_event=lambda event: None, cancelled=lambda: True)
        assert told.kind is Kind.KILLED
        wait_for(lambda: processes_of(container_id) == [])


@pytest.mark.gvisor
def test_how_a_box_ended_is_not_known_while_the_engine_is_away(
    gvisor: DockerDriver, home: Path, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job had begun, so it is lost and never taken for one that may begin again."""
    with gvisor.start() as box, unheard(box, home, monkeypatch) as container_id:
        job = make_job("import time\ndef main():\n    print(1, flush=True)\n    time.sleep(60)")

        def end_it(_: Event) -> None:
            end_processes_of(container_id)

        assert box.run(job, on_event=end_it).kind is Kind.LOST


def test_a_box_that_could_not_be_removed_is_the_sweeps_though_its_maker_lives(
    fake: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, kept = fake.start(labels={"process": "alive"}), fake.start(labels={"process": "alive"})
    with kept:
        with monkeypatch.context() as away:
            away.setattr(box._vessel, "remove", refuse)
            with pytest.raises(SandboxUnavailable):
                box.destroy()
        assert fake.sweep(lambda labels: labels["process"] == "alive") == [box.id]
    box._vessel.remove()


def refuse() -> None:
    raise SandboxUnavailable("Docker does not answer.")


@pytest.mark.gvisor
def test_the_installation_comes_back_by_itself_with_an_engine_that_was_killed(home: Path, make_job: Callable[..., Job]) -> None:
    """Warm boxes are frozen when it goes, one of them by a worker that is dead, and one is at work."""
    with Engine(IMAGE) as engine:
        driver = DockerDriver(
            image=IMAGE,
            runtime="runsc",
            home=home / "boxes",
            environments=home / "environments",
            installation=home.name,
            engine=engine.address,
        )
        left = driver.start(labels={"process": "dead"})
        left.freeze()
        with Pool(driver, limits=PoolLimits(minimum=2, maximum=2), labels={"process": "alive"}) as pool:
            assert pool.wait_until_warm(30)
            with pool.take() as box:
                engine.kill()
                engine.start()
                outcome = box.run(make_job("def main():\n    return 1"), on_event=lambda event: None)
                assert outcome.kind is Kind.INFRA  # the engine has ended it, and the job had not begun
            assert pool.wait_until_warm(30)

            def two_are_left() -> bool:
                driver.sweep(lambda labels: labels["process"] == "alive")
                return len(list((home / "boxes").iterdir())) == 2

            wait_for(two_are_left)
            with pool.take() as box:
                assert box.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok
        assert driver.sweep(lambda labels: False) == []
