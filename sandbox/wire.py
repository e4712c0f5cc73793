"""One connection to a box, without blocking: sends what is due, receives what is there, may be woken."""

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from sandbox.runner import frames

_RECEIVE = 256 * 1024
_GLANCE_SECONDS = 0.1  # how long a cancellation may wait to be noticed


def hear_one(
    connection: socket.socket, kind: int, seconds: float, *, cancelled: Callable[[], bool] = lambda: False
) -> bytes | None:
    """The payload of the one frame that a box sends now, of this type; None when it does not come in time, or is not waited for
    any longer.

    Raises: ProtocolError for any other frame, EOFError when the box hangs up, OSError.
    """
    reader = frames.FrameReader({kind: frames.BOX_FRAMES[kind]})
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    deadline = time.monotonic() + seconds
    while not cancelled():
        left = max(0.0, deadline - time.monotonic())
        if not poll.poll(min(left, _GLANCE_SECONDS) * 1000):
            if left <= _GLANCE_SECONDS:
                break
            continue
        if not (data := connection.recv(frames.CHUNK)):
            raise EOFError("the box has hung up")
        for _, payload in reader.feed(data):
            return payload
    return None


class Wire:
    """`closed` is set once the box has hung up."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.setblocking(False)  # noqa: FBT003 (the socket's own interface)
        self._outgoing: Iterator[bytes] = iter(())
        self._unsent = memoryview(b"")
        self._posted: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.closed = False
        self.sent_all = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            os.close(self._bell)
            self._bell = -1

    def send(self, pieces: Iterator[bytes]) -> None:
        """Begin to send; read from `pieces` only as fast as the box takes them."""
        self._outgoing, self.sent_all = pieces, False

    def post(self, data: bytes) -> None:
        """Send something from another thread. Does nothing after the conversation has ended."""
        with self._lock:
            if self._bell >= 0:
                self._posted.append(data)
                os.eventfd_write(self._bell, 1)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to be sent: then the next word to the box begins at a frame."""
        return self.sent_all and not self._unsent and not self._posted

    def turn(self, seconds: float) -> bytes:
        """Wait at most this long for something to happen; give what was received, perhaps nothing."""
        poll = select.poll()
        wants_write = not self.sent_all or self._unsent or self._posted
        poll.register(self._connection, select.POLLIN | (select.POLLOUT if wants_write else 0))
        poll.register(self._bell, select.POLLIN)
        ready = dict(poll.poll(max(0.0, seconds) * 1000))
        if self._bell in ready:
            os.eventfd_read(self._bell)
        state = ready.get(self._connection.fileno(), 0)
        if state & select.POLLOUT:
            self._send_some()
        return self._receive() if state & (select.POLLIN | select.POLLHUP | select.POLLERR) else b""

    def _send_some(self) -> None:
        if not self._unsent:
            self._unsent = memoryview(self._next_piece())
        try:
            self._unsent = self._unsent[self._connection.send(self._unsent) :]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True
            return
        if not self._unsent and not self.sent_all:
            # Known at once and not a turn later: from the last byte on the job may have begun.
            self._unsent = memoryview(self._next_piece())

    def _next_piece(self) -> bytes:
        if not self.sent_all:
            piece = next(self._outgoing, None)
            if piece is not None:
                return piece
            self.sent_all = True
        return self._posted.popleft() if self._posted else b""

    def _receive(self) -> bytes:
        try:
            data = self._connection.recv(_RECEIVE)
        except BlockingIOError:
            return b""
        except ConnectionResetError:
            data = b""
        self.closed = not data
        return data
