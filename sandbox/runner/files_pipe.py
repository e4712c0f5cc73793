"""A second kind of forked child: reads or makes files as the tool's user and streams them out as frames.

The runner itself never opens what a tool or a package wrote.
"""

import os
import socket
from collections.abc import Callable

from . import confinement, frames
from .settings import Settings

Write = Callable[[int, bytes], None]


def fork_streaming(settings: Settings, work: Callable[[Write], None], control: socket.socket, accepted: dict[int, int]) -> int:
    """Fork `work` without powers and pass on what it writes to the host, as far as those frame types are accepted.

    It does not have the line to the host itself: there it could say whatever it likes.
    Gives the pid of the ended child, still to be waited for.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            control.close()
            confinement.confine(settings)
            work(lambda kind, payload: frames.write_all(writing, frames.frame(kind, payload)))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    _pass_on(reading, control.sendall, frames.FrameReader(accepted))
    os.close(reading)
    return pid


def _pass_on(reading: int, send: Callable[[bytes], None], reader: frames.FrameReader) -> None:
    while data := os.read(reading, frames.CHUNK):
        if whole := b"".join(frames.frame(*each) for each in reader.feed(data)):
            send(whole)
