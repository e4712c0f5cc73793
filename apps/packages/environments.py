"""Environments on disk: one sealed folder each, named by the digest of its content. Nothing here makes or changes one."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from sandbox import EnvironmentRefused
from sandbox import verify_environment as verify_content

_DIGEST = re.compile(r"[0-9a-f]{64}")
_found_intact: dict[Path, str] = {}
"""Folder → what its files' inodes looked like when this process hashed their content. Entries only ever get newer."""


def find_problem(folder: Path, digest: str) -> str:
    """Why the environment must not be mounted; empty when its content has this digest.

    Hashing a large environment takes a second, so what was hashed once in this process is looked at by times, sizes and
    inodes only: a change through the file system cannot keep all of them (the change time is not for programs to set).
    """
    if not _DIGEST.fullmatch(digest):
        return "This is not the digest of an environment."
    place = folder / digest
    if not place.is_dir():
        return "The environment with the packages is no longer on this disk."
    before = _look(place)
    if _found_intact.get(place) == before:
        return ""
    try:
        verify_content(place, digest)
    except EnvironmentRefused as problem:
        return str(problem)
    _found_intact[place] = before
    return ""


def is_here(folder: Path, digest: str) -> bool:
    """Whether there is anything under this digest, intact or not."""
    return bool(_DIGEST.fullmatch(digest)) and (folder / digest).is_dir()


def _look(place: Path) -> str:
    whole = hashlib.sha256()
    for path, status in _entries(str(place)):
        seen = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        whole.update(f"{path}\0{seen}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _entries(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    yield folder, Path(folder).stat()
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)
        else:
            yield entry.path, entry.stat(follow_symlinks=False)
