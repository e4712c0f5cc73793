"""Runs that outlast many leases, and cancelling them in the middle of whatever they do. Hours are played in seconds."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from django.db import connection

from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.runs.models import Run
from apps.runs.services import cancel_run, find_run
from apps.runs.work import perform_next_run, sweep_runs
from tests.runs.conftest import begin, write
from tests.waiting import wait_for

MIB = 1 << 20
PATIENCE = 30.0


@pytest.fixture
def cast(transactional_cast: SimpleNamespace) -> SimpleNamespace:
    return transactional_cast


@pytest.fixture
def working(cast: SimpleNamespace, fake_boxes: None) -> Iterator[Callable[..., Run]]:
    """Begin a run, have it worked off by another thread, and wait until it says how far it is."""
    threads = []

    def start(source: str, **limits: int) -> Run:
        run = begin(cast, write(cast, source, settings=Settings(limits=limits)))
        worker = threading.Thread(target=lambda: (perform_next_run(), connection.close()))
        worker.start()
        threads.append(worker)
        wait_for(lambda: seen(cast, run).progress is not None)
        return run

    yield start
    for worker in threads:
        worker.join(PATIENCE)
        assert not worker.is_alive()


def seen(cast: SimpleNamespace, run: Run) -> Run:
    with scope(cast.acme.pk):
        return find_run(run.pk)


def test_a_run_that_outlasts_many_leases_is_nobody_s_but_its_worker_s(cast, working, settings) -> None:
    settings.LEASE_SECONDS = 2
    run = working(
        "import func, time\n\ndef tool() -> str:\n    func.progress(0.1, 'begun')\n    time.sleep(7)\n    return 'done'\n"
    )
    swept = []
    wait_for(lambda: swept.append(sweep_runs()) or not seen(cast, run).is_open)
    done = seen(cast, run)
    assert (done.state, done.result, done.attempt, sum(swept)) == ("succeeded", "done", 1, 0)


def test_its_last_word_about_progress_is_kept(cast, working) -> None:
    source = "import func\n\ndef tool() -> None:\n    for n in range(1001):\n        func.progress(n / 1000, f'step {n}')\n"
    run = working(source)
    wait_for(lambda: not seen(cast, run).is_open)
    done = seen(cast, run)
    assert (done.progress, done.progress_text) == (1.0, "step 1000")


@pytest.mark.parametrize(
    "work",
    ["time.sleep(60)", "[func.open_artifact(str(n)).write(bytes(1 << 20)) for n in range(95)]"],
    ids=["asleep", "while files stream"],
)
def test_a_run_is_cancelled_whatever_it_does(cast, working, work: str) -> None:
    source = f"import func, time\n\ndef tool() -> None:\n    func.progress(0.1, 'begun')\n    {work}\n    time.sleep(60)\n"
    run = working(source, artifact_bytes=100 * MIB, artifact_files=100)
    with scope(cast.acme.pk):
        cancel_run(actor=cast.developer, run_id=run.pk)
    wait_for(lambda: not seen(cast, run).is_open)
    done = seen(cast, run)
    assert done.state == "cancelled"
