"""Functions to run, and the worker's step played in the test's own thread, on real gVisor."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import create_function
from apps.runs import boxes
from apps.runs.models import Run
from apps.runs.services import find_run, start_run
from apps.runs.work import perform_next_run
from sandbox import FakeDriver, Pool, PoolLimits
from tests.waiting import wait_for


@pytest.fixture(scope="session")
def _boxes_closed() -> Iterator[None]:
    """The pool of this process ends with the tests, and takes its boxes with it."""
    yield
    boxes.close_pool()


@pytest.fixture
def _all_answered(transactional_cast) -> Iterator[None]:
    """What a box asked for may still be worked at when its run has ended; the tables are emptied after that."""
    yield
    wait_for(lambda: not any(thread.name == "box-request" for thread in threading.enumerate()))


@pytest.fixture
def cast(transactional_cast, _boxes_closed, _all_answered):
    """Runs are executed by other threads and connections, so what a test writes must be committed."""
    return transactional_cast


def write(cast: Any, source: str, **settings: Any) -> FunctionVersion:
    """A function of acme by the developer; its active version."""
    with scope(cast.acme.pk):
        made = create_function(actor=cast.developer, source=source, **settings)
        return Function.objects.select_related("active_version__function").get(pk=made.pk).active_version


def begin(cast: Any, version: FunctionVersion, **arguments: Any) -> Run:
    with scope(cast.acme.pk):
        return start_run(actor=cast.developer, version=version, arguments=arguments)


@pytest.fixture
def run_now(cast) -> Callable[..., Run]:
    """Write a function, run it, work it off, and give the run as it ended."""

    def run(source: str, settings: dict[str, Any] | None = None, **arguments: Any) -> Run:
        started = begin(cast, write(cast, source, **(settings or {})), **arguments)
        assert perform_next_run()
        with scope(cast.acme.pk):
            return find_run(started.pk)

    return run


def fake_pool(home: Path) -> Pool:
    """Boxes of the fake driver, none of them warm."""
    (home / "environments").mkdir(exist_ok=True)
    driver = FakeDriver(home=home, environments=home / "environments", runs_only_trusted_test_code=True)
    return Pool(driver, limits=PoolLimits(minimum=0, maximum=0))


@pytest.fixture
def fake_boxes(monkeypatch) -> Iterator[None]:
    """Runs are executed by the fake driver, for what is above boxes: no engine is needed, and nothing is isolated."""
    with TemporaryDirectory(prefix="boxes-") as folder, fake_pool(Path(folder)) as pool:  # the path of a socket must be short
        monkeypatch.setattr(boxes, "pool", lambda: pool)
        yield


def see(cast: Any, run: Run) -> Run:
    with scope(cast.acme.pk):
        return find_run(run.pk)


def change(cast: Any, run: Run, **fields: Any) -> None:
    """As time or another process would have it."""
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(**fields)
