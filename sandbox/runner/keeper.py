"""A box that is kept for several jobs of one kind. Nothing of one job may be there for the next.

The box's first process never reads a job. For each it forks a supervisor, which forks the tool's process, reads the job and
ends with it; so what the next two are copied from has never held anybody's arguments, secrets or results. Between jobs
every other process is ended and everything that a tool can write to is emptied.
"""

import ctypes
import os
import socket
from collections.abc import Callable

from . import frames, processes
from .settings import Settings

_PR_SET_CHILD_SUBREAPER = 36


def keep(settings: Settings, control: socket.socket, serve: Callable[[], bool]) -> None:
    """Have one job after the other served, each when the host says so, until one does not end as it should.

    `serve` does one in the forked supervisor and tells whether it ended in order.
    """
    while _serve_one(settings, serve) and _is_wanted_again(control):
        pass


def _serve_one(settings: Settings, serve: Callable[[], bool]) -> bool:
    supervisor = os.fork()
    if supervisor == 0:
        code = 70
        try:
            # Orphans of the tool become children of its supervisor, which waits until there are none.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            code = 0 if serve() else 1
        finally:
            os._exit(code)
    status = _wait_for(supervisor)
    if settings.confined:
        processes.end_everything(supervisor, confined=True)  # there should be nothing; if there is, it ends here
    return status == 0


def _wait_for(supervisor: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == supervisor:
            return status


def _is_wanted_again(control: socket.socket) -> bool:
    """Whether the host's next word is KEEP. A word that is for the job that is over ends the box by ProtocolError."""
    return next(frames.receive(control, {frames.KEEP: frames.HOST_FRAMES[frames.KEEP]}), None) is not None
