"""Ends what a tool has started."""

import contextlib
import os
import signal


def end_everything(child: int, *, confined: bool) -> None:
    """End every process of the tool, and wait until there is none.

    In a box everything means all but its first process and the caller, and what was orphaned is the caller's to wait for.
    Outside of one only the child's own session is meant.
    """
    if not confined:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _end_one(child)
        return
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _end_one(child: int) -> None:
    """One that is too young to have its session is not found by it. Does nothing when the process was waited for."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(child, os.WNOHANG) == (0, 0):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
