"""Trees of unpacked wheels, as a box streams them, and environments, which are copied together of trees.

Nothing here follows a link or opens what is not a regular file.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sandbox.errors import EnvironmentRefused, TreeDamaged
from sandbox.events import ArtifactData, ArtifactEnded, ArtifactStarted
from sandbox.incoming_files import FileEvent
from sandbox.protocol import check_artifact_name
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError

TOO_LARGE = "the packages are larger than an environment may be"
_FOLDER, _FILE = 0o555, 0o444
_PIECE = 1 << 20
_REFUSED = (".pth",)
_DAMAGE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EIO})  # of a tree on the disk


@dataclass(frozen=True)
class Tree:
    """One wheel's files, unpacked, compiled and sealed. `digest` is what `environment_digest` gives for them."""

    folder: Path
    digest: str


class TreeWriter:
    """Writes a fresh folder file by file, and seals it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o755)
        self.folder = folder
        self.hashes: dict[str, str] = {}  # of what is written whole: path → SHA-256 of the content
        self._folders = {folder}
        self._file: BinaryIO | None = None

    def on_event(self, event: FileEvent) -> None:
        """Write what a box streams.

        Raises: ProtocolError for a name that is no plain path; FileExistsError, NotADirectoryError when its place is taken.
        """
        if isinstance(event, ArtifactStarted):
            self._file = os.fdopen(self.create(check_artifact_name(event.name)), "wb")
        elif isinstance(event, ArtifactData):
            assert self._file is not None  # IncomingFiles has checked the order
            self._file.write(event.data)
        else:
            self.close()
            if isinstance(event, ArtifactEnded):
                self.hashes[event.name] = event.sha256

    def create(self, name: str) -> int:
        """The descriptor of a new file, which is the caller's to close.

        Raises: FileExistsError, NotADirectoryError; ProtocolError for a name that must not be in an environment.
        """
        if any(part.endswith(_REFUSED) for part in name.split("/")):
            raise ProtocolError(f"{name} must not be in an environment")
        path = self.folder / name
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE)
        os.fchmod(descriptor, _FILE)  # whatever the umask says
        return descriptor

    def remove(self, name: str) -> None:
        """Take a file back that was written whole."""
        (self.folder / name).unlink()
        del self.hashes[name]

    def seal(self) -> str:
        """Take the write permission of the folders away, as the files never had one, and give the digest."""
        _change_folders(self.folder, _FOLDER)
        return _digest(self.hashes)

    def close(self) -> None:
        """Close a file, also one that was cut off."""
        if self._file is not None:
            self._file.close()
            self._file = None


def assemble(trees: Iterable[Tree], output: Path, *, files: int, size: int) -> str:
    """Copy trees into one environment: `output`, a folder that does not exist. Gives its digest once all is on the disk.

    Each file is hashed while it is copied, so a tree that has changed is noticed. A file that several trees hold alike
    counts once. Bytecode counts only if every tree that brings its source made the same of it. Unless all goes well,
    `output` does not exist afterwards.

    Raises: TreeDamaged for a tree that must be made anew; EnvironmentRefused when trees disagree about a file, hold bytecode
        without its source, or more than `files` files or `size` bytes together.
    """
    writer = TreeWriter(output)
    try:
        union = _Union(writer, files, size)
        for tree in trees:
            union.add(tree)
        union.drop_disputed_bytecode()
        digest = writer.seal()
        os.sync()
    except BaseException:
        remove_environment(output)
        raise
    return digest


class _Union:
    """What may still be copied into an environment, and what its trees disagree about."""

    def __init__(self, writer: TreeWriter, files: int, size: int) -> None:
        self.writer, self.files, self.bytes = writer, files, size
        self.disputed: list[str] = []
        self.bytecode: dict[str, set[frozenset[tuple[str, str]]]] = {}  # of a source: what each tree that brings it has

    def add(self, tree: Tree) -> None:
        """Raises: TreeDamaged, EnvironmentRefused."""
        found = {name: self._take(name, descriptor) for name, descriptor in _files_of(tree)}
        if _digest(found) != tree.digest:
            raise TreeDamaged(tree.folder, "its content has changed")
        if self.disputed:
            raise EnvironmentRefused(f"two wheels bring different files named {self.disputed[0]!r}")
        self._note_bytecode(found)

    def drop_disputed_bytecode(self) -> None:
        """Python compiles the source then. Whichever was first would decide what an import of another wheel's module runs."""
        for ways in self.bytecode.values():
            if len(ways) > 1:
                for name in {name for way in ways for name, _ in way}:
                    self.writer.remove(name)

    def _note_bytecode(self, found: Mapping[str, str]) -> None:
        of_sources: dict[str, set[tuple[str, str]]] = {name: set() for name in found if name.endswith(".py")}
        for name in filter(_is_bytecode, found):
            source = _source_of(name)
            if source not in of_sources:
                raise EnvironmentRefused(f"a wheel brings bytecode without its source: {name!r}")
            of_sources[source].add((name, found[name]))
        for source, way in of_sources.items():
            self.bytecode.setdefault(source, set()).add(frozenset(way))

    def _take(self, name: str, source: int) -> str:
        """The hash of the content, which is copied unless another tree has brought it."""
        try:
            target = None if name in self.writer.hashes else self.writer.create(name)
        except (FileExistsError, NotADirectoryError):  # a file where the other tree has a folder
            self.disputed.append(name)
            target = None
        if target is None:
            return self._compare(name, _copy(source))
        try:
            self._count(files=1)
            self.writer.hashes[name] = _copy(source, lambda piece: self._write(target, piece))
        finally:
            os.close(target)
        return self.writer.hashes[name]

    def _compare(self, name: str, found: str) -> str:
        """Bytecode is compared once all trees are known."""
        if not _is_bytecode(name) and self.writer.hashes.get(name) != found:
            self.disputed.append(name)
        return found

    def _write(self, target: int, piece: bytes) -> None:
        self._count(size=len(piece))
        frames.write_all(target, piece)

    def _count(self, *, files: int = 0, size: int = 0) -> None:
        self.files -= files
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise EnvironmentRefused(TOO_LARGE)


def _is_bytecode(name: str) -> bool:
    return name.endswith(".pyc")


def _source_of(bytecode: str) -> str:
    """Where the source of `a/__pycache__/b.cpython-313.pyc` lies; empty for a place in which bytecode has no source."""
    folder, _, name = bytecode.rpartition("/")
    parent, _, last = folder.rpartition("/")
    if last != "__pycache__" or name.count(".") < 2:
        return ""
    return f"{parent}/{name.rsplit('.', 2)[0]}.py".lstrip("/")


def _files_of(tree: Tree) -> Iterator[tuple[str, int]]:
    """Raises: TreeDamaged."""
    try:
        for descriptor, name, is_folder in _walk(tree.folder):
            if not is_folder:
                yield name, descriptor
    except (EnvironmentRefused, OSError) as error:
        fault = error.__cause__ if isinstance(error, EnvironmentRefused) else error
        if isinstance(fault, OSError) and fault.errno not in _DAMAGE:
            raise fault from None  # this process' trouble, not the tree's
        raise TreeDamaged(tree.folder, str(error)) from error


def _copy(source: int, write: Callable[[bytes], None] | None = None) -> str:
    """The SHA-256 of what is read from an open file, and passed on."""
    digest = hashlib.sha256()
    while piece := os.read(source, _PIECE):
        digest.update(piece)
        if write is not None:
            write(piece)
    return digest.hexdigest()


def environment_digest(folder: Path) -> str:
    """SHA-256 over the sorted paths and the hashes of the contents: the same on every host that built the same.

    Raises: EnvironmentRefused when there is anything but regular files and folders.
    """
    return _digest({name: _copy(descriptor) for descriptor, name, is_folder in _walk(folder) if not is_folder})


def _digest(hashes: Mapping[str, str]) -> str:
    """Runs keep it for as long as they are kept: its making never changes."""
    whole = hashlib.sha256()
    for name in sorted(hashes, key=lambda path: path.split("/")):
        whole.update(f"{name}\0{hashes[name]}\n".encode())
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

    if folder.is_dir() and not folder.is_symlink():
        _change_folders(folder, 0o755)
        shutil.rmtree(folder)


def _change_folders(folder: Path, mode: int) -> None:
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(mode)


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
