"""Speaks to a running supervisord over its Unix socket (XML-RPC). Knows nothing of what the programs are."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 10
WITHOUT_WAITING = False


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self.path))


class SocketTransport(xmlrpc.client.Transport):
    """Leads XML-RPC to the socket; the address in its requests means nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return SocketConnection(self.path)


class Control:
    """What the installer asks of supervisord. A supervisord that does not answer raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, name: str) -> None:
        """Asks for a start and does not wait for it; one that runs already keeps running.

        One that has died before supervisord looked is no fault either: it is tried again, and its state tells.
        """
        self._call("startProcess", name, WITHOUT_WAITING, unless=("ALREADY_STARTED", "SPAWN_ERROR"))

    def stop(self, name: str) -> None:
        """Asks for a stop and does not wait for it."""
        self._call("stopProcess", name, WITHOUT_WAITING, unless=("NOT_RUNNING",))

    def state(self, name: str) -> str:
        """STOPPED, STARTING, RUNNING, BACKOFF (died at once, tried again), STOPPING, EXITED or FATAL (given up)."""
        return str(self._call("getProcessInfo", name)["statename"])

    def answers(self) -> bool:
        try:
            self._call("getState")
        except OSError:
            return False
        return True

    def _call(self, method: str, *arguments: object, unless: tuple[str, ...] = ()) -> Any:
        # A connection of its own for each call: calls come from several threads, and a ServerProxy is for one.
        with xmlrpc.client.ServerProxy("http://localhost", transport=SocketTransport(self.path)) as server:
            try:
                return getattr(server.supervisor, method)(*arguments)
            except xmlrpc.client.Fault as fault:
                if not any(word in fault.faultString for word in unless):
                    raise
                return None
