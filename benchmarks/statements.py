"""Counts what processes ask of PostgreSQL, by a socket between them and the server that reads the frames of the protocol.

Of all ways to count it is the one that sees every process and every statement, whoever makes it, and changes neither the
product nor the server. It costs time, so nothing is timed through it.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
HEADER = struct.Struct(">cI")
STARTUP = struct.Struct(">I")
STATEMENTS = (b"Q", b"E")  # a simple query, and the execution of a prepared one
RECEIVE = 1 << 16


class StatementCounter:
    """Listens in its folder; `number` counts statements of all connections. Thread-safe."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.number = 0
        self._server = server / SOCKET
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                self._open += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, _Reader()), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, None), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, reader: "_Reader | None") -> None:
        with suppress(OSError):
            while data := source.recv(RECEIVE):
                if reader:
                    with self._lock:
                        self.number += reader.feed(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


class _Reader:
    """Cuts what a client says into frames; the first has no type."""

    def __init__(self) -> None:
        self._buffer = b""
        self._has_begun = False

    def feed(self, data: bytes) -> int:
        """How many statements end in this piece."""
        self._buffer += data
        return sum(kind in STATEMENTS for kind in self._frames())

    def _frames(self) -> Iterator[bytes]:
        while len(self._buffer) >= HEADER.size:
            if self._has_begun:
                kind, length = HEADER.unpack_from(self._buffer)
                end = 1 + length
            else:
                kind, (end,) = b"", STARTUP.unpack_from(self._buffer)
            if len(self._buffer) < end:
                return
            self._buffer, self._has_begun = self._buffer[end:], True
            yield kind


@contextmanager
def counting(folder: Path, server: Path) -> Iterator[StatementCounter]:
    """`folder` is what a process then takes for the folder of the server's socket."""
    counter = StatementCounter(folder, server)
    try:
        yield counter
    finally:
        counter.close()
