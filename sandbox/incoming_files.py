"""Files that a box streams out: their order, sizes and number are checked here, their digests counted here."""

import hashlib
from collections.abc import Callable

from sandbox.events import ArtifactAbandoned, ArtifactData, ArtifactEnded, ArtifactStarted
from sandbox.protocol import parse_event
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError

FileEvent = ArtifactStarted | ArtifactData | ArtifactEnded | ArtifactAbandoned


class TooManyFiles(ProtocolError):
    """More files, or more in them, than allowed."""


class IncomingFiles:
    """Passes events on. Raises ProtocolError when the box sends more than allowed or out of order."""

    def __init__(self, *, files: int, total_bytes: int, on_event: Callable[[FileEvent], None]) -> None:
        self._files, self._bytes = files, total_bytes
        self._on_event = on_event
        self._name: str | None = None
        self._size = 0
        self._digest = hashlib.sha256()

    @property
    def in_the_middle(self) -> bool:
        """Whether a file has begun and not ended."""
        return self._name is not None

    def hear(self, kind: int, payload: bytes) -> None:
        """One of the frames ARTIFACT_STARTED, ARTIFACT_DATA, ARTIFACT_ENDED, ARTIFACT_ABANDONED."""
        if kind == frames.ARTIFACT_STARTED:
            self._start(payload)
        elif self._name is None:
            raise ProtocolError("file data without a file")
        elif kind == frames.ARTIFACT_DATA:
            self._take(payload)
        elif kind == frames.ARTIFACT_ABANDONED:
            self._on_event(ArtifactAbandoned(self._name))
            self._name = None
        else:
            self._on_event(ArtifactEnded(self._name, self._digest.hexdigest(), self._size))
            self._name = None

    def _start(self, payload: bytes) -> None:
        started = parse_event(frames.ARTIFACT_STARTED, payload)
        if self._name is not None or not isinstance(started, ArtifactStarted):
            raise ProtocolError("a file within a file")
        if self._files < 1:
            raise TooManyFiles("one file too many")
        self._files -= 1
        self._name, self._size, self._digest = started.name, 0, hashlib.sha256()
        self._on_event(started)

    def _take(self, payload: bytes) -> None:
        self._bytes -= len(payload)
        if self._bytes < 0:
            raise TooManyFiles("more file data than allowed")
        self._size += len(payload)
        self._digest.update(payload)
        self._on_event(ArtifactData(payload))
