"""Empties what a tool of a kept box can write to. Runs as the tool's user, before the next job is known."""

import os
import stat
from pathlib import Path

from .settings import Settings

# A box in which more was left is not worth cleaning: another is started in half a second.
MOST_ENTRIES = 10_000


class TooMuchLeft(Exception):
    """The box is given up."""


def empty(settings: Settings) -> None:
    """Remove everything that a tool can have left, whatever its names, rights, links and depth.

    Raises: TooMuchLeft, OSError; then nothing may run here.
    """
    emptying = _Emptying()
    for place in settings.scratch:
        emptying.empty(place)


def is_clean(settings: Settings) -> bool:
    """Whether nothing is there but the new job's own folder. Asked by the runner, who does not take the child's word."""
    work = Path(settings.work)
    has_files = any(set(os.listdir(place)) - ({work.name} if Path(place) == work.parent else set()) for place in settings.scratch)
    return not has_files and not (settings.confined and _has_sockets())


def _has_sockets() -> bool:
    """Whether the box has unix sockets besides the one to the host, though no process is left that could hold one.

    A socket that was sent through itself is never closed (Linux looks for such circles, gVisor does not), nor is what was
    sent with it: ports, memory, removed files. Nobody can reach into a circle to open it, so the box is given up.
    """
    with open("/proc/net/unix", "rb") as table:
        _title, _to_host, *others = table
    return bool(others)


class _Emptying:
    """Folders are moved up instead of being entered: so neither paths nor open folders grow with the depth of a tree."""

    def __init__(self) -> None:
        self.left = MOST_ENTRIES
        self.number = 0

    def empty(self, place: str) -> None:
        while entries := os.listdir(place):
            for entry in entries:
                self._remove(os.path.join(place, entry), place)

    def _remove(self, path: str, place: str) -> None:
        self._count()
        if not _is_folder(path):
            os.unlink(path)
            return
        os.chmod(path, 0o700)
        for entry in os.listdir(path):
            inner = os.path.join(path, entry)
            if _is_folder(inner):
                self._move_up(inner, place)
            else:
                self._count()
                os.unlink(inner)
        os.rmdir(path)

    def _move_up(self, folder: str, place: str) -> None:
        while os.path.lexists(target := os.path.join(place, f"left-{self.number}")):
            self._count()
            self.number += 1
        os.chmod(folder, 0o700)  # else it could not be told of its new parent
        os.rename(folder, target)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TooMuchLeft


def _is_folder(path: str) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)
