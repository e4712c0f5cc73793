"""A worker may die anywhere. A model call may be repeated, and is marked; what a task does is done once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apps.agents import loop
from apps.agents.models import Task, TaskState
from apps.core import retries
from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.llm.types import Reply
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from tests.agents.conftest import COMPLETE, SEARCH, Bench, call, run_tool, write_tool

TURNS = 5


class Crash(BaseException):
    """The worker dies: nothing catches this."""


def script(package: str) -> list[Reply]:
    return [
        write_tool(),
        run_tool(),
        call("save_artifact", name="notes.txt", text="Three."),
        call("request_package", requirements=[package], reason="It helps."),
        COMPLETE,
    ]


class Crasher:
    """Dies in the nth transaction of the loop, just before or just after its commit; once."""

    def __init__(self) -> None:
        self.at, self.after_commit, self.seen = -1, False, count()

    def arm(self, at: int, *, after_commit: bool) -> None:
        self.at, self.after_commit, self.seen = at, after_commit, count()

    @contextmanager
    def scope(self, workspace_id: UUID) -> Iterator[None]:
        here = next(self.seen) == self.at
        with scope(workspace_id):
            yield
            if here and not self.after_commit:
                raise Crash
        if here:
            raise Crash


@pytest.fixture
def crasher(monkeypatch: pytest.MonkeyPatch) -> Crasher:
    made = Crasher()
    monkeypatch.setattr(loop, "scope", made.scope)
    return made


def work_to_the_end(bench: Bench, task: Task) -> tuple[Task, int]:
    """As workers, the scheduler and the rest of the house would; how many workers died."""
    crashes = 0
    for _ in range(3 * TURNS):
        try:
            loop.perform_next_task()
        except Crash:
            crashes += 1
            if bench.see(task).state == TaskState.WORKING:
                bench.vanish(task)
        bench.finish_runs(result=3)
        bench.end_packages(PackageState.FAILED, failure="No such package.")
        if not bench.see(task).is_open:
            break
    return bench.see(task), crashes


def replay(bench: Bench, replies: list[Reply]) -> Callable[..., Any]:
    """A model that answers by what has been said, so that a repeated call gets the same reply."""

    def complete(*, messages: Any, **_: Any) -> Reply:
        bench.asked.append(tuple(messages))
        return replies[sum(message.role == "assistant" for message in messages)]

    return complete


@pytest.mark.parametrize("after_commit", [False, True], ids=["before the commit", "after the commit"])
def test_a_worker_may_die_at_any_transaction(bench: Bench, crasher: Crasher, monkeypatch, after_commit: bool) -> None:
    for number in count():
        package = f"leaf{number}"
        monkeypatch.setattr(loop, "complete", replay(bench, script(package)))
        bench.asked.clear()
        task = bench.start()
        crasher.arm(number, after_commit=after_commit)
        ended, crashes = work_to_the_end(bench, task)
        if not crashes:  # the task has fewer transactions than that
            break
        steps = bench.steps(task)
        assert (ended.state, crashes) == (TaskState.COMPLETED, 1), f"transaction {number}: {ended.failure}"
        assert [step.tool for step in steps] == [
            "create_or_update_tool", "run_tool", "save_artifact", "request_package", "task_completed",
        ]  # fmt: skip
        with scope(bench.cast.acme.pk):
            assert FunctionVersion.objects.filter(task_id=task.pk).count() == 1
            assert PackageSet.objects.filter(task_id=task.pk).count() == 1
        assert len(bench.runs(task)) == 1
        assert bench.artifacts(task) == ["notes.txt"]
        counted = sum(step.model_calls for step in steps)
        assert TURNS <= len(bench.asked) <= counted <= TURNS + 1, "a call that may have been repeated is marked"
    assert number == 4 * TURNS, "each turn has four transactions: open, before the model, after it, act"


def test_a_vanished_workers_task_is_queued_again_only_when_its_lease_has_run_out(bench: Bench) -> None:
    task = bench.start(Crash())
    with pytest.raises(Crash):
        loop.perform_next_task()
    assert loop.sweep_tasks() == 0
    assert bench.see(task).state == TaskState.WORKING
    assert not loop.perform_next_task()
    bench.vanish(task)
    assert (bench.see(task).state, bench.see(task).losses) == (TaskState.QUEUED, 1)
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED


def test_replies_that_cannot_be_stored_are_not_asked_for_without_end(bench: Bench, monkeypatch) -> None:
    def broken(*_: Any) -> None:
        raise Crash

    monkeypatch.setattr(loop, "store_reply", broken)
    monkeypatch.setattr(retries, "MAX_LOSSES", 100)
    task = bench.start(*[SEARCH] * 4)
    for _ in range(4):
        with pytest.raises(Crash):
            loop.perform_next_task()
        bench.vanish(task)
    task = bench.go_on(task)
    assert (task.state, task.failure) == (TaskState.FAILED, "No reply of the model could be stored in 4 calls.")


def test_two_workers_never_take_one_task(bench: Bench, monkeypatch) -> None:
    tasks = [bench.start() for _ in range(4)]

    def complete(*, messages: Any, **_: Any) -> Reply:
        bench.asked.append(tuple(messages))
        return COMPLETE

    monkeypatch.setattr(loop, "complete", complete)
    together, worked = Barrier(4), []

    def work() -> None:
        together.wait()
        try:
            while loop.perform_next_task():
                worked.append(1)
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(worked) == len(bench.asked) == 4
    assert [(bench.see(task).state, bench.see(task).token) for task in tasks] == [(TaskState.COMPLETED, 1)] * 4
