"""Ending what a tool has started, from outside of a box."""

import os
import signal

import pytest

from sandbox.runner.processes import end_everything


def _child(*, has_session: bool) -> int:
    """A process that waits for a signal; whether it has its session yet is decided when this returns."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        if has_session:
            os.setsid()
        os.write(writing, b".")
        signal.pause()
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return pid


@pytest.mark.parametrize("has_session", [True, False])
def test_a_child_is_ended_and_waited_for_whether_or_not_it_has_its_session_yet(has_session: bool) -> None:
    pid = _child(has_session=has_session)
    end_everything(pid, confined=False)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_a_child_that_was_waited_for_is_not_killed_by_its_number_which_may_be_another_s(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    pid = _child(has_session=True)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    monkeypatch.setattr(os, "kill", lambda number, _signal: killed.append(number))
    end_everything(pid, confined=False)
    assert not killed
