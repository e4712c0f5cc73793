"""Makes boxes for these tests: in gVisor where the claim is about isolation, by the fake driver for the same contract."""

import os
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import DockerDriver, Driver, Event, FakeDriver, Job, Limits, Outcome, Output, Source

IMAGE = os.environ.get("SELFSMITH_BOX_IMAGE", "selfsmith-box:dev")


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="selfsmith-boxes-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def gvisor(home: Path) -> Iterator[DockerDriver]:
    """The real driver, of an installation of its own; nothing of it may be left at the end."""
    driver = DockerDriver(
        image=IMAGE, runtime="runsc", home=home / "boxes", environments=home / "environments", installation=home.name
    )
    yield driver
    left = driver.sweep(lambda labels: False)
    assert left == [], "a test left boxes behind"


@pytest.fixture
def fake(home: Path) -> FakeDriver:
    return FakeDriver(home=home / "boxes", environments=home / "environments", runs_only_trusted_test_code=True)


@pytest.fixture(params=["fake", pytest.param("gvisor", marks=pytest.mark.gvisor)])
def driver(request: pytest.FixtureRequest) -> Driver:
    return request.getfixturevalue(request.param)


@dataclass
class Told:
    """An outcome with all that was heard on the way."""

    outcome: Outcome
    events: list[Event] = field(default_factory=list)

    @property
    def stdout(self) -> str:
        data = b"".join(event.data for event in self.events if isinstance(event, Output) and event.stream == "stdout")
        return data.decode()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def job_of(text: str, *, arguments: dict[str, Any] | None = None, limits: Limits | None = None, **more: Any) -> Job:
    """A job of one source whose entry is `main`."""
    source = Source("main", textwrap.dedent(text), "main")
    return Job(sources=(source,), arguments=arguments or {}, limits=limits or Limits(wall_seconds=20), **more)


def run_in(driver: Driver, job: Job, **more: Any) -> Told:
    events: list[Event] = []
    with driver.start(size=job.limits.size) as box:
        return Told(box.run(job, on_event=events.append, **more), events)


@pytest.fixture
def run(driver: Driver) -> Callable[..., Told]:
    """Run source text by whichever driver the test is for."""
    return lambda text, on_request=None, **job: run_in(
        driver, job_of(text, **job), **({"on_request": on_request} if on_request else {})
    )


@pytest.fixture
def run_boxed(gvisor: DockerDriver) -> Callable[..., Told]:
    """Run source text in gVisor."""
    return lambda text, **job: run_in(gvisor, job_of(text, **job))


@pytest.fixture
def make_job() -> Callable[..., Job]:
    """A job of one source whose entry is `main`."""
    return job_of
