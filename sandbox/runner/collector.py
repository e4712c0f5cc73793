"""Takes the files that a tool left in `artifacts/`: regular files under plain names, within the limits, nothing else."""

import errno
import hashlib
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import frames
from .files_pipe import Write, fork_streaming
from .settings import Settings

MAX_DEPTH = 8
MAX_ENTRIES = 2_000


def collect(settings: Settings, limits: dict[str, Any], control: socket.socket) -> None:
    """Stream the artifacts out by a child with the tool's uid: the runner, though root, may not read the tool's files."""
    folder = Path(settings.work) / "artifacts"
    if is_surely_empty(folder):
        return  # a fork costs more than everything else at the end of a run
    pid = fork_streaming(settings, lambda write: _Collection(limits, write).take(folder), control, dict(frames.FILE_FRAMES))
    os.waitpid(pid, 0)


class _Collection:
    """Counts what has been taken."""

    def __init__(self, limits: dict[str, Any], write: Write) -> None:
        self.limits = limits
        self.files, self.bytes = int(limits["artifact_files"]), int(limits["artifact_bytes"])
        self.entries = MAX_ENTRIES
        self.write = write

    def take(self, folder: Path) -> None:
        try:
            descriptor = _open_folder(folder)
        except OSError as error:
            self._skip("artifacts", f"the folder cannot be read: {error.strerror}")
            return
        for name, parent, entry in self._walk(descriptor, "", 0):
            self._take_file(name, parent, entry)

    def _walk(self, folder: int, prefix: str, depth: int) -> Iterator[tuple[str, int, str]]:
        """Regular files as (name, folder descriptor, entry). Links and special files are named and left."""
        for entry in sorted(os.listdir(folder)):
            self.entries -= 1
            if self.entries < 0:
                self._skip(prefix or ".", f"there are more than {MAX_ENTRIES} entries")
                return
            name = f"{prefix}{entry}"
            try:
                mode = os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode
            except OSError as error:  # in a folder that may be listed and not entered
                self._skip(name, f"it cannot be read: {error.strerror}")
                continue
            if stat.S_ISREG(mode):
                yield name, folder, entry
            elif stat.S_ISDIR(mode) and depth < MAX_DEPTH:
                inner = self._open(name, folder, entry, os.O_DIRECTORY)
                if inner is not None:
                    yield from self._walk(inner, f"{name}/", depth + 1)
                    os.close(inner)
            else:
                self._skip(name, "only regular files are taken, in folders at most 8 deep")

    def _open(self, name: str, folder: int, entry: str, flags: int) -> int | None:
        """None, and told, for what the tool closed to itself: that must not cost the files beside it."""
        try:
            return os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | flags, dir_fd=folder)
        except OSError as error:
            self._skip(name, f"it cannot be read: {error.strerror}")
            return None

    def _take_file(self, name: str, folder: int, entry: str) -> None:
        if not frames.is_plain_name(name):
            self._skip(name, "the name is not plain text")
            return
        descriptor = self._open(name, folder, entry, os.O_NONBLOCK)
        if descriptor is None:
            return
        with open(descriptor, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if reason := self._no_room(size):
                self._skip(name, reason)
                return
            self.files -= 1
            self.bytes -= size
            self._stream(name, file, size)

    def _no_room(self, size: int) -> str:
        """Why a file of this size is left out, empty when it is not."""
        if self.files < 1:
            return f"a run of this function may keep {self.limits['artifact_files']} files (limit “Files kept”)"
        if size > self.bytes:
            most = self.limits["artifact_bytes"]
            return f"it has {size} bytes, and of {most} (limit “Size of files kept”) {self.bytes} are left"
        return ""

    def _stream(self, name: str, file: Any, size: int) -> None:
        self.write(frames.ARTIFACT_STARTED, json.dumps({"name": name}).encode())
        digest = hashlib.sha256()
        while piece := file.read(min(frames.CHUNK, size)):
            size -= len(piece)
            digest.update(piece)
            self.write(frames.ARTIFACT_DATA, piece)
        self.write(frames.ARTIFACT_ENDED, json.dumps({"sha256": digest.hexdigest()}).encode())

    def _skip(self, name: str, reason: str) -> None:
        shown = name.encode("utf-8", "backslashreplace").decode()[:300]
        self.write(frames.ARTIFACT_SKIPPED, json.dumps({"name": shown, "reason": reason}).encode())


def _open_folder(folder: Path) -> int:
    """Raises: OSError, also when a tool has put a link in the folder's place.

    Looked at first, because gVisor follows a link in spite of O_NOFOLLOW when a directory is asked for (tried). Nobody
    is left who could exchange it in between.
    """
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def is_surely_empty(folder: Path) -> bool:
    """Whether there is nothing to take, without having to fork for it. False when that cannot be seen."""
    try:
        descriptor = _open_folder(folder)
    except OSError:
        return False
    try:
        with os.scandir(descriptor) as entries:
            return next(entries, None) is None
    finally:
        os.close(descriptor)
