"""A file that goes to the host while the tool writes it: it lies in no scratch space, so it takes no memory of the box.

Pieces are small enough that a pipe never mixes them with what another thread says. The host and the runner count for
themselves; what is counted here only makes the tool's error a clear one.
"""

import hashlib
import io
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from . import frames

type Tell = Callable[[int, dict[str, Any]], None]
_LONGEST_NAME = 255


class ArtifactRefused(Exception):
    """The file cannot be kept: its name, its size, or another file that is still open."""


class ArtifactBudget:
    """What is left of the run's files and bytes, and the one file that may be open at a time."""

    def __init__(self, files: int, size: int) -> None:
        self.files, self.bytes = files, size
        self.lock = threading.Lock()


class ArtifactWriter(io.RawIOBase):
    """Like a file opened with "wb". Leaving a `with` block by an error gives the file up; closing it keeps it."""

    def __init__(self, name: str, budget: ArtifactBudget, tell: Tell, stream: Callable[[bytes], None]) -> None:
        self._is_open = False
        super().__init__()
        _check_name(name)
        self.name = name
        self._budget, self._tell, self._stream, self._owner = budget, tell, stream, os.getpid()
        self._digest = hashlib.sha256()
        if not budget.lock.acquire(blocking=False):
            raise ArtifactRefused("Another artifact is open: close it first, one is written at a time.")
        if budget.files < 1:
            budget.lock.release()
            raise ArtifactRefused("This run may keep no more files (limit “Files kept”).")
        budget.files -= 1
        self._is_open = True
        self._tell(frames.ARTIFACT_STARTED, {"name": name})

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """All of it, however long that takes: the host is waited for.

        Raises: ArtifactRefused when the run may keep no more bytes.
        """
        if not self._is_open or os.getpid() != self._owner:
            raise ValueError("write to a closed artifact")
        view = memoryview(data).cast("B")
        if len(view) > self._budget.bytes:
            raise ArtifactRefused(f"{self.name} is larger than what this run may still keep (limit “Size of files kept”).")
        self._budget.bytes -= len(view)
        self._digest.update(view)
        for start in range(0, len(view), frames.SMALL):
            self._stream(frames.frame(frames.ARTIFACT_DATA, bytes(view[start : start + frames.SMALL])))
        return len(view)

    def close(self) -> None:
        """The file is whole."""
        self._end(frames.ARTIFACT_ENDED, {"sha256": self._digest.hexdigest() if self._is_open else ""})
        super().close()

    def abandon(self) -> None:
        """The file will not become whole; nothing of it is kept."""
        self._end(frames.ARTIFACT_ABANDONED, {})
        super().close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.abandon()
        else:
            self.close()

    def _end(self, frame: int, fields: dict[str, Any]) -> None:
        if self._is_open and os.getpid() == self._owner:
            self._is_open = False
            self._tell(frame, fields)
            self._budget.lock.release()


def _check_name(name: str) -> None:
    parts = name.split("/")
    if not name.isprintable() or len(name) > _LONGEST_NAME or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise ArtifactRefused(f"An artifact's name is a plain relative path, not {name[:300]!r}.")
