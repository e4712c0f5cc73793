"""Wheels that this host has unpacked: a sealed tree each, for environments to be copied together of. No box sees them.

A tree's name tells what its bytecode was made by, its wheel, and the digest of its content. So one that was changed, or
torn by a loss of power, is noticed when it is copied, and made anew.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox import Driver, Tree
from sandbox.environment import remove_environment

FOLDER = "unpacked"  # beside the environments


def edition_of(driver: Driver) -> str:
    """A short name for what the driver's boxes unpack and compile with. Raises: SandboxUnavailable."""
    return hashlib.sha256(driver.edition().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TreeStore:
    """The trees of one edition, shared by all workspaces: what the index offers is public."""

    folder: Path
    edition: str

    def find(self, sha256: str) -> Tree | None:
        """The tree of a wheel, which counts as used now. Whether it is intact shows when it is copied."""
        for place in sorted(self.folder.glob(f"{self.edition}.{sha256}.*")):
            with suppress(FileNotFoundError):  # collected this moment
                os.utime(place)
                return tree_at(place)
        return None

    def keep(self, sha256: str, made: Tree) -> Tree:
        """Put a fresh tree in place. Of two workers at once the second finds it there, and leaves its own where it is."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self.folder / f"{self.edition}.{sha256}.{made.digest}"
        made.folder.chmod(0o755)  # moving a folder writes to it
        try:
            made.folder.rename(place)
        except OSError:
            if not place.is_dir():
                raise
        else:
            with suppress(FileNotFoundError):  # collected this moment: who copies it finds out
                place.chmod(0o555)
        return Tree(place, made.digest)


def tree_at(place: Path) -> Tree:
    """What a place in the folder says that it is."""
    return Tree(place, place.name.rpartition(".")[2])


def trees_in(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Every tree of any edition, with its edition and the hash of its wheel; both empty for what is left of one."""
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        edition, sha256, _ = place.name.split(".") if place.name.count(".") == 2 else ("", "", "")
        yield place, edition, sha256


def remove_tree(place: Path) -> None:
    """Remove one. It is renamed first, so that half of it is never found; whoever copies it now has it made anew."""
    going = place.with_name(f".going-{time.time_ns()}")
    with suppress(FileNotFoundError):  # another worker removes it
        place.rename(going)
        remove_environment(going)
