"""Files by content: a workspace's blobs lie under their SHA-256, written once, never changed.

Rows hold name, size and digest; nothing a user or a box chose is ever part of a path. A file of any size passes in
pieces: nothing here holds more than one of them.
"""

import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Self
from uuid import UUID

from django.conf import settings

from apps.core.errors import DomainError, NotFound, TooLarge

_FULL = (errno.ENOSPC, errno.EDQUOT)
FLUSHED_BYTES = 64 * 1024 * 1024  # so that the end of a large file does not wait minutes for a slow disk
_INCOMING, _LEAVING = ".incoming-", ".leaving-"


class BlobTooLarge(TooLarge):
    code = "file_too_large"


class BlobMissing(NotFound):
    code = "file_missing"


class DiskFull(DomainError):
    """For the operator to mend; nothing of the file was kept."""

    code = "disk_full"
    status: ClassVar[int] = 507


@dataclass(frozen=True)
class Blob:
    sha256: str
    size: int


class IncomingBlob:
    """A file on its way in. Ends with `keep` or `drop`; what neither ended is swept later."""

    def __init__(self, workspace_id: UUID, *, max_bytes: int) -> None:
        self._workspace_id, self._max_bytes = workspace_id, max_bytes
        self._digest, self._size, self._unflushed = hashlib.sha256(), 0, 0
        root = _root(workspace_id)
        with _telling_full_disk():
            root.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=root, prefix=_INCOMING)
        self._temporary = Path(temporary)
        self._file = os.fdopen(descriptor, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def write(self, piece: bytes) -> None:
        """Raises: BlobTooLarge, DiskFull; the file is then to be dropped."""
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise BlobTooLarge(f"The file is larger than {self._max_bytes // 1024} KiB, the limit here.", limit=self._max_bytes)
        self._digest.update(piece)
        self._unflushed += len(piece)
        with _telling_full_disk():
            self._file.write(piece)
            if self._unflushed >= FLUSHED_BYTES:
                self._flush()

    def keep(self) -> Blob:
        """Have it on the disk for good, under its digest; the same content twice is one file.

        Raises: DiskFull.
        """
        sha256 = self._digest.hexdigest()
        folder = _folder(self._workspace_id, sha256)
        with _telling_full_disk():
            self._flush()
            self._file.close()
            folder.mkdir(exist_ok=True)
            self._temporary.replace(folder / sha256)
            _flush_folder(folder)
        return Blob(sha256, self._size)

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unflushed = 0

    def drop(self) -> None:
        """Leave nothing. Does nothing after `keep`."""
        with suppress(OSError):  # what could not be flushed is not wanted any more
            self._file.close()
        self._temporary.unlink(missing_ok=True)


@contextmanager
def _telling_full_disk() -> Iterator[None]:
    """A disk without room is a clear refusal; all else that may happen to a file is a bug or a broken disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        text = "There is no room left on the platform's disk. Whoever runs this installation has to make some."
        raise DiskFull(text) from error


def path_of(workspace_id: UUID, sha256: str) -> Path:
    """Where a blob lies.

    Raises:
        BlobMissing: no such blob in this workspace, or the digest is none.
    """
    path = _folder(workspace_id, sha256) / sha256
    if len(sha256) != 64 or not path.is_file():
        raise BlobMissing("This file is no longer stored.", sha256=sha256)
    return path


def is_stored(workspace_id: UUID, sha256: str) -> bool:
    """Whether the blob lies on the disk that this process sees."""
    return (_folder(workspace_id, sha256) / sha256).is_file()


def put(workspace_id: UUID, chunks: Iterable[bytes], *, max_bytes: int) -> Blob:
    """Store a stream; the same content twice is one file.

    Raises:
        BlobTooLarge: more than max_bytes came; nothing is kept.
        DiskFull
    """
    with IncomingBlob(workspace_id, max_bytes=max_bytes) as incoming:
        for chunk in chunks:
            incoming.write(chunk)
        return incoming.keep()


def sweep(workspace_id: UUID, *, age: timedelta, is_named: Callable[[str], bool]) -> int:
    """Remove files older than `age` that no row names; returns how many.

    What is stored again meanwhile is a new file, with a new age: a blob is first moved out of the way, then looked at
    once more, so that it is never removed between somebody's `put` and their row.
    """
    removed = 0
    for path in list(_root(workspace_id).glob("*")):
        if path.name.startswith((_INCOMING, _LEAVING)):
            removed += _is_older(path, age) and _unlinked(path)
        elif path.is_dir():
            removed += sum(_removed(blob, age, is_named) for blob in list(path.iterdir()))
    return removed


def _removed(path: Path, age: timedelta, is_named: Callable[[str], bool]) -> bool:
    if not _is_older(path, age) or is_named(path.name):
        return False
    leaving = path.parent.parent / f"{_LEAVING}{path.name}"
    path.rename(leaving)
    if _is_older(leaving, age) and not is_named(path.name):
        return _unlinked(leaving)
    if not path.exists():
        leaving.rename(path)
    return False


def _is_older(path: Path, age: timedelta) -> bool:
    """By the time of its content: moving it about does not make it younger."""
    try:
        return time.time() - path.stat().st_mtime > age.total_seconds()
    except FileNotFoundError:
        return False


def _unlinked(path: Path) -> bool:
    path.unlink(missing_ok=True)
    return True


def _flush_folder(folder: Path) -> None:
    """Without this a power cut could leave the row and take the name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _root(workspace_id: UUID) -> Path:
    return Path(settings.HOME) / "blobs" / workspace_id.hex


def _folder(workspace_id: UUID, sha256: str) -> Path:
    return _root(workspace_id) / sha256[:2]
