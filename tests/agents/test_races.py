"""News that comes while a task begins to wait is not missed; acts and decisions do not block each other for ever."""

import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from apps.agents import loop, tools
from apps.agents.models import TaskState
from apps.core.tenancy import every_workspace, scope
from apps.functions import services as functions
from apps.packages import services as packages
from apps.packages.states import PackageState
from apps.runs.models import Run
from apps.runs.services import start_run
from apps.runs.states import RunState
from tests.agents.conftest import COMPLETE, Bench, call

PATIENCE = 30  # seconds
REQUEST = call("request_package", requirements=["leaf"], reason="It helps.")


class Beside:
    """Something that another process does while this one's transaction is open."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._act()
        finally:
            connection.close()

    def begin(self) -> None:
        """Return when it has ended, or has come to a row that this transaction holds."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while self._thread.is_alive() and not _somebody_waits_for_a_lock():
            assert time.monotonic() < deadline

    def end(self) -> None:
        self._thread.join(timeout=PATIENCE)
        assert not self._thread.is_alive()


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


@pytest.mark.parametrize(
    ("state", "fields"),
    [(PackageState.READY, {"environment_digest": "a" * 64}), (PackageState.REJECTED, {"failure": "No."})],
)
def test_a_decision_that_falls_while_the_task_begins_to_wait_is_not_missed(bench: Bench, monkeypatch, state, fields) -> None:
    first = bench.play(REQUEST)
    deciding = Beside(lambda: bench.end_packages(state, **fields))
    real = tools.package_observation

    def decided_meanwhile(package_set: Any) -> Any:
        seen = real(package_set)
        deciding.begin()
        return seen

    monkeypatch.setattr(tools, "package_observation", decided_meanwhile)
    second = bench.play(REQUEST)
    deciding.end()
    assert [bench.see(task).state for task in (first, second)] == [TaskState.QUEUED, TaskState.QUEUED]
    bench.replies.extend([COMPLETE, COMPLETE])
    assert loop.perform_next_task()
    assert loop.perform_next_task()


def test_a_run_that_begins_to_wait_for_packages_does_not_miss_them_either(bench: Bench, monkeypatch) -> None:
    source = "import leaf\n\ndef use() -> None:\n    leaf.grow()\n"
    with scope(bench.cast.acme.pk):
        made = functions.create_function(actor=bench.cast.developer, source=source, requirements=["leaf"])
        version = made.versions.select_related("function").get()
    building = Beside(lambda: bench.end_packages(PackageState.READY, environment_digest="a" * 64))
    real = Run.objects.__class__.create

    def built_meanwhile(manager: Any, **fields: Any) -> Any:
        building.begin()
        return real(manager, **fields)

    monkeypatch.setattr(Run.objects.__class__, "create", built_meanwhile)
    with scope(bench.cast.acme.pk):
        run = start_run(actor=bench.cast.developer, version=version, arguments={})
        assert run.state == RunState.AWAITING_APPROVAL
    building.end()
    with scope(bench.cast.acme.pk):
        run.refresh_from_db()
    assert (run.state, run.environment_digest) == (RunState.QUEUED, "a" * 64)


def test_who_asks_for_packages_gets_the_set_as_it_stays(bench: Bench) -> None:
    """The same wish at the moment of a rejection: either the set that still stands, or a new one."""
    task = bench.play(REQUEST)
    with scope(bench.cast.acme.pk):
        asked = packages.require_packages(actor=bench.cast.developer, requirements=["leaf"], reason="Likewise.")
        rejecting = Beside(lambda: bench.end_packages(PackageState.REJECTED, failure="No."))
        rejecting.begin()
        assert packages.hold_set(asked).is_current
    rejecting.end()
    with every_workspace(reason="looking at the outcome"):
        asked.refresh_from_db()
    assert asked.state == PackageState.REJECTED
    assert bench.last(task).observation["reason"] == "No."
