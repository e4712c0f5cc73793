"""Fetches the locked wheels into a store named by content. A file that is not the locked one is refused, never used.

Opens no wheel and runs nothing.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import Conflict, TooLarge
from apps.packages.index import AnswerTooLarge, IndexUnreachable, NoSuchProject, PackageIndex
from apps.packages.locks import Distribution, Lock

LARGEST_WHEEL = 200 * 1024 * 1024
LARGEST_LOCK = 1024 * 1024 * 1024  # all wheels of one lock together
SECONDS_PER_WHEEL = 300.0


class WheelChanged(Conflict):
    """A file does not have the hash that the lock names: it was changed, at the index or on this disk."""

    code = "wheel_changed"


class WheelsTooLarge(TooLarge):
    code = "wheels_too_large"


@dataclass(frozen=True)
class WheelStore:
    """Wheels under their SHA-256, shared by all workspaces: what the index offers is public."""

    folder: Path
    index: PackageIndex

    def fetch(self, lock: Lock) -> dict[str, Path]:
        """Have every wheel of a lock on this disk, checked; returns their paths by distribution name.

        Raises: WheelChanged, WheelsTooLarge, IndexUnreachable.
        """
        found: dict[str, Path] = {}
        size = 0
        for distribution in lock.distributions:
            path = self.fetch_one(distribution)
            size += path.stat().st_size
            if size > LARGEST_LOCK:
                raise WheelsTooLarge(f"The packages are larger than {LARGEST_LOCK // 2**20} MiB together.")
            found[distribution.name] = path
        return found

    def fetch_one(self, distribution: Distribution) -> Path:
        """One wheel, from the store or from the index, with its hash checked either way."""
        path = self.folder / distribution.sha256
        if path.exists():
            _check(distribution, _digest_of_file(path))
            os.utime(path)  # young again, so that it is not collected before the row that names it is written
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=".incoming-")
        try:
            with os.fdopen(descriptor, "wb") as target:
                _check(distribution, self._download(distribution, target.write))
                os.fchmod(target.fileno(), 0o444)
                target.flush()
                os.fsync(target.fileno())
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return path

    def _download(self, distribution: Distribution, write: Callable[[bytes], object]) -> str:
        digest = hashlib.sha256()
        try:
            for chunk in self.index.stream(distribution.url, limit=LARGEST_WHEEL, seconds=SECONDS_PER_WHEEL):
                digest.update(chunk)
                write(chunk)
        except NoSuchProject as problem:
            raise IndexUnreachable(
                f"The index no longer offers {distribution.filename}.", filename=distribution.filename
            ) from problem
        except AnswerTooLarge as problem:
            raise WheelsTooLarge(problem.message, filename=distribution.filename) from problem
        return digest.hexdigest()


def _check(distribution: Distribution, found: str) -> None:
    if found != distribution.sha256:
        raise WheelChanged(
            f"{distribution.filename} is not the file that was approved: its content has changed. Nothing was built.",
            filename=distribution.filename,
            expected=distribution.sha256,
            found=found,
        )


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
