"""A worker that is told to end gives its task back between two turns."""

import threading

from apps.agents.models import TaskState
from apps.core import stopping
from tests.agents.conftest import COMPLETE, SEARCH, Bench


def test_a_task_is_handed_back_after_the_turn_and_goes_on_elsewhere(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(stopping, "_told", threading.Event())

    def told_meanwhile():
        stopping.begin()
        return SEARCH

    task = bench.play(told_meanwhile, COMPLETE)
    assert (task.state, task.losses, task.leased_by) == (TaskState.QUEUED, 0, "")
    assert len(bench.steps(task)) == 1
    monkeypatch.setattr(stopping, "_told", threading.Event())
    assert bench.go_on(task).state == TaskState.COMPLETED
    assert len(bench.asked) == 2
