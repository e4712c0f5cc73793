"""Package environments on the host: written file by file as a build box streams them, sealed, digested, verified.

Nothing here follows a link or opens what is not a regular file.
"""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sandbox.errors import EnvironmentRefused
from sandbox.events import ArtifactData, ArtifactStarted
from sandbox.incoming_files import FileEvent
from sandbox.protocol import check_artifact_name

_FOLDER, _FILE = 0o555, 0o444
_REFUSED = (".pth",)


class EnvironmentWriter:
    """Writes what a build box sends into a fresh folder. `on_event` is its handler."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = 0
        self.bytes = 0
        self._file: BinaryIO | None = None
        folder.mkdir(mode=0o755)

    def on_event(self, event: FileEvent) -> None:
        """Raises: ProtocolError for a name that is no plain path; FileExistsError for one that was sent before."""
        if isinstance(event, ArtifactStarted):
            self._file = self._create(check_artifact_name(event.name))
            self.files += 1
        elif isinstance(event, ArtifactData):
            assert self._file is not None  # IncomingFiles has checked the order
            self._file.write(event.data)
            self.bytes += len(event.data)
        elif self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Close a file that was cut off."""
        if self._file is not None:
            self._file.close()

    def _create(self, name: str) -> BinaryIO:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "wb")


def seal(folder: Path) -> str:
    """Take every write permission away, flush to disk, and give the digest.

    Raises: EnvironmentRefused.
    """
    for descriptor, _, is_folder in _walk(folder):
        os.fchmod(descriptor, _FOLDER if is_folder else _FILE)
    os.sync()
    return environment_digest(folder)


def environment_digest(folder: Path) -> str:
    """SHA-256 over the sorted paths, sizes and contents: the same on every host that built the same.

    Raises: EnvironmentRefused when there is anything but regular files and folders.
    """
    whole = hashlib.sha256()
    for descriptor, name, is_folder in _walk(folder):
        if not is_folder:
            with open(descriptor, "rb", closefd=False) as file:
                whole.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def verify_environment(folder: Path, digest: str) -> None:
    """Check before mounting that nobody has changed it.

    Raises: EnvironmentRefused.
    """
    found = environment_digest(folder)
    if found != digest:
        raise EnvironmentRefused(f"The packages in {folder.name} have changed: {found} instead of {digest}.")


def remove_environment(folder: Path) -> None:
    """Remove one, sealed or not."""

    def unseal(path: Path) -> None:
        for parent, _, _ in os.walk(path):
            Path(parent).chmod(0o755)

    if folder.is_dir() and not folder.is_symlink():
        unseal(folder)
        shutil.rmtree(folder)


def _walk(folder: Path) -> Iterator[tuple[int, str, bool]]:
    """Every file and folder, in a fixed order, as (open descriptor, relative path, is it a folder)."""
    root = _open(folder, None, is_folder=True)
    try:
        yield from _walk_open(root, "")
    finally:
        os.close(root)


def _walk_open(folder: int, prefix: str) -> Iterator[tuple[int, str, bool]]:
    yield folder, prefix.rstrip("/"), True
    for entry in sorted(os.listdir(folder)):
        mode = os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) or entry.endswith(_REFUSED):
            raise EnvironmentRefused(f"{prefix}{entry} must not be in an environment.")
        with _opened(entry, folder, is_folder=stat.S_ISDIR(mode)) as inner:
            if stat.S_ISDIR(mode):
                yield from _walk_open(inner, f"{prefix}{entry}/")
            else:
                yield inner, f"{prefix}{entry}", False


@contextlib.contextmanager
def _opened(entry: str, folder: int, *, is_folder: bool) -> Iterator[int]:
    descriptor = _open(entry, folder, is_folder=is_folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(entry: str | Path, folder: int | None, *, is_folder: bool) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(entry, flags | (os.O_DIRECTORY if is_folder else 0), dir_fd=folder)
    except OSError as error:
        raise EnvironmentRefused(f"{entry} cannot be read: {error.strerror}.") from error
