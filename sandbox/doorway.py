"""The folder of one box on the host, and the one door in it: a socket that admits one connection and is then gone."""

import contextlib
import json
import os
import select
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.errors import SandboxUnavailable
from sandbox.runner import frames
from sandbox.runner.frames import FrameReader, ProtocolError

_NOTES = "box.json"
EGRESS = "egress"
GIVEN_UP = "given_up"  # among a box's notes: its removal failed


class Doorway:
    """`home/<id>/control` is mounted into the box, read-only; `home/<id>/box.json` is for the sweep."""

    def __init__(self, home: Path, labels: Mapping[str, str]) -> None:
        self.id = uuid.uuid4().hex
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = home / self.id
        self.folder.mkdir()
        self.control = self.folder / "control"
        self.control.mkdir()
        self.control.chmod(0o755)
        self._own: dict[str, str] = dict(labels)
        self.note({})
        self._listener = self._listen("socket")

    def note(self, values: Mapping[str, str]) -> None:
        """Add to what a sweep reads about this box, for as long as there is the box."""
        self._own.update(values)
        self.claim({})

    def claim(self, labels: Mapping[str, str]) -> None:
        """Let a sweep read for whom the box works from now on, and no longer for whom it did."""
        path = self.folder / _NOTES
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({**self._own, **labels}))
        fresh.replace(path)

    def give_up(self) -> None:
        """What of this box could not be removed is nobody's any more, though its maker lives: a sweep may take it."""
        with contextlib.suppress(FileNotFoundError):  # a sweep was first
            self.note({GIVEN_UP: "yes"})

    def admit(self, seconds: float, is_there: Callable[[], bool]) -> tuple[socket.socket, bytes]:
        """Wait for the runner; give its connection and its READY. From then on nobody else can connect.

        Raises: SandboxUnavailable when it does not come, or does not speak as it should.
        """
        deadline = time.monotonic() + seconds
        while not select.select([self._listener], [], [], 0.25)[0]:
            if time.monotonic() > deadline or not is_there():
                raise SandboxUnavailable("The box was started, but its runner did not report.")
        connection, _ = self._listener.accept()
        self._close()
        try:
            connection.settimeout(max(0.1, deadline - time.monotonic()))
            ready = self._read_ready(connection)
            connection.setblocking(False)  # noqa: FBT003 (the socket's own interface)
            return connection, ready
        except (ProtocolError, OSError, EOFError) as error:
            connection.close()
            raise SandboxUnavailable(f"The box's runner did not report as it should: {error}") from error

    def remove(self) -> None:
        """Remove the folder. Nothing in it was written by a tool: the mount is read-only."""
        self._close()
        remove_folder(self.folder)

    def open_egress(self) -> socket.socket:
        """A second door, for a job that may reach hosts: whoever is in the box may come, and its proxy listens."""
        return self._listen(EGRESS)

    def close_egress(self) -> None:
        """Nobody finds the second door any more. Idempotent."""
        with contextlib.suppress(FileNotFoundError):
            (self.control / EGRESS).unlink()

    def _listen(self, name: str) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        folder = os.open(self.control, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Through the descriptor, because a socket's path may have 107 bytes at most.
            listener.bind(f"/proc/self/fd/{folder}/{name}")
        finally:
            os.close(folder)
        (self.control / name).chmod(0o666)  # the runner is a root without power over foreign files
        listener.listen(1 if name == "socket" else 64)
        return listener

    def _close(self) -> None:
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            (self.control / "socket").unlink()

    @staticmethod
    def _read_ready(connection: socket.socket) -> bytes:
        reader = FrameReader({frames.READY: frames.BOX_FRAMES[frames.READY]})
        while data := connection.recv(frames.CHUNK):
            for _, payload in reader.feed(data):
                return payload
        raise EOFError("it hung up")


def remove_folder(folder: Path) -> None:
    """Remove a box's folder. Its own end and the sweeps of several workers may be at it at the same moment."""

    def gone_is_fine(_function: object, _path: str, error: BaseException) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    shutil.rmtree(folder, onexc=gone_is_fine)


def read_notes(folder: Path) -> dict[str, str]:
    """What is known of a box by its folder; empty when it was made a moment ago."""
    try:
        notes: dict[str, str] = json.loads((folder / _NOTES).read_text())
    except FileNotFoundError:
        return {}
    return notes
