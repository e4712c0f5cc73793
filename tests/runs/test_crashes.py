"""kill -9 of a worker at each point of a run: the next worker ends it, once, with everything of the lost attempt told.

The worker is a process of its own that kills itself at the point; boxes are the fake driver's.
"""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.core.tenancy import scope
from apps.runs import work
from apps.runs.models import Artifact, Attempt, LogChunk, Run
from tests.runs.conftest import begin, change, see, write

pytestmark = pytest.mark.usefixtures("fake_boxes")
SOURCE = """
import func

def says(n: int) -> int:
    print('at work', flush=True)
    func.save_artifact('made.txt', 'x')
    return n
"""
CALLER = "import func\n\ndef calls(n: int) -> int:\n    return func.call('says', n=n) + 1\n"
WORKER = """
import os
import signal
import sys
from pathlib import Path

import django

django.setup()
from django.db import connection

connection.settings_dict["NAME"], home, point = sys.argv[1:]

from apps.core import dispatch
from apps.runs import boxes, recorder, transitions, work
from tests.runs.conftest import fake_pool


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def store_and_die(self: object, *args: object, store: object = recorder.Recorder._store, **more: object) -> None:
    # Output is stored and committed, and the box works on.
    store(self, *args, **more)
    if point == "box running" or self._run.depth:
        die()


def die_before_finish(run: object, *, to_state: object, leave: object = transitions.leave, **fields: object) -> None:
    leave(run, to_state=to_state, **fields)
    die()  # everything is written and nothing committed


dispatch._send = lambda kind: None
boxes.pool = lambda: fake_pool(Path(home))
if point == "claim":
    work.perform = die
elif point == "prepare":
    work._execute = die
elif point in ("box running", "child running"):
    recorder.Recorder._store = store_and_die
elif point == "before finish":
    transitions.leave = die_before_finish
work.perform_next_run()
"""


def killed_worker(point: str) -> int:
    """How the worker's process ended."""
    with TemporaryDirectory(prefix="boxes-") as home:
        (Path(home) / "boxes").mkdir()
        command = [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"]), str(Path(home) / "boxes"), point]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, env=environment, timeout=120, check=False).returncode


def recover(cast, run: Run) -> None:
    """The leases run out, and the scheduler looks."""
    with scope(cast.acme.pk):
        Run.objects.filter(state="running").update(lease_until=Now() - timedelta(seconds=1))
    assert work.sweep_runs() >= 1
    assert see(cast, run).state == "queued"


def all_of(cast, model, **which):
    with scope(cast.acme.pk):
        return list(model.objects.filter(**which).order_by("id"))


@pytest.mark.parametrize("point", ["claim", "prepare", "box running", "before finish"])
def test_a_run_survives_its_worker(cast, point) -> None:
    run = begin(cast, write(cast, SOURCE), n=7)
    assert killed_worker(point) == -signal.SIGKILL
    assert see(cast, run).state == "running"
    recover(cast, run)
    assert work.perform_next_run()
    ended = see(cast, run)
    assert (ended.state, ended.result, ended.attempt, ended.losses) == ("succeeded", 7, 2, 1)
    attempts = all_of(cast, Attempt, run=run)
    assert [(each.number, each.outcome) for each in attempts] == [(1, "lost"), (2, "ok")]
    assert attempts[0].sequel == "Loss 1 of at most 3: tried again at once."
    assert len(all_of(cast, Artifact, run=run)) == 1
    pieces = all_of(cast, LogChunk, run=run)
    assert [piece.seq for piece in pieces] == list(range(1, len(pieces) + 1))
    assert "".join(piece.text for piece in pieces if piece.attempt == 2) == "at work\n"
    assert not work.perform_next_run()


def test_a_run_that_must_not_be_repeated_is_lost_with_its_worker(cast) -> None:
    run = begin(cast, write(cast, SOURCE), n=7)
    change(cast, run, retry_class="never")
    assert killed_worker("prepare") == -signal.SIGKILL
    change(cast, run, lease_until=Now() - timedelta(seconds=1))
    assert work.sweep_runs() == 1
    assert see(cast, run).state == "lost"
    assert "must not be done twice" in all_of(cast, Attempt, run=run)[0].sequel


def test_a_caller_and_its_child_survive_the_worker_of_both(cast) -> None:
    write(cast, SOURCE)
    run = begin(cast, write(cast, CALLER), n=7)
    assert killed_worker("child running") == -signal.SIGKILL
    recover(cast, run)
    with scope(cast.acme.pk):
        Run.objects.filter(parent=run, state="running").update(lease_until=Now() - timedelta(seconds=1))
    work.sweep_runs()
    assert work.perform_next_run()
    ended = see(cast, run)
    assert (ended.state, ended.result, ended.attempt) == ("succeeded", 8, 2)
    first, second = all_of(cast, Run, parent=run)
    assert (first.parent_attempt, first.state) == (1, "cancelled")
    assert (second.parent_attempt, second.state, second.attempt) == (2, "succeeded", 1)
    assert not work.perform_next_run()
