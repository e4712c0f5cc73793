"""What a backup is made of, for those who make one and those who restore it.

A folder: `database.dump` (pg_dump's own format), `files/` with the stored content, `files.txt` with the digest, size and path
of each, and `manifest.json`, written last: without it a backup is unfinished. Never a key.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core.errors import Conflict, Invalid

FORMAT = 1
DUMP, FILES, LISTING, MANIFEST = "database.dump", "files", "files.txt", "manifest.json"
FOLDERS = ("blobs", "wheels")
ENVIRONMENTS = "environments"  # large, and built anew from lock and wheels where they are missing


class NotTheOwner(Conflict):
    code = "not_the_owner"


class ProgramFailed(Conflict):
    code = "program_failed"


class BackupDamaged(Invalid):
    code = "backup_damaged"


@dataclass(frozen=True)
class Manifest:
    """What is in a backup, and what is needed to use it."""

    made_at: str
    version: str
    postgresql: str
    migrations: dict[str, str]
    root_keys: list[str]
    folders: list[str]
    dump_sha256: str
    listing_sha256: str
    files: int
    bytes: int
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Raises: BackupDamaged: there is none, or it is of another format."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BackupDamaged(f"{folder} holds no finished backup: there is no {MANIFEST} in it.")
    try:
        found = json.loads(path.read_text())
        if found.get("format") != FORMAT:
            raise BackupDamaged(f"{path} is of format {found.get('format')!r}, and this version reads format {FORMAT}.")
        return Manifest(**found)
    except (ValueError, TypeError, AttributeError) as error:
        raise BackupDamaged(f"{path} cannot be read: {error}.") from error


def digest_of_file(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def listed_files(folder: Path) -> Iterator[tuple[str, int, str]]:
    """(SHA-256, size, path below `files/`) of every file that the backup holds.

    Raises: BackupDamaged: a line is none of ours, or leads out of the folder.
    """
    for line in (folder / LISTING).read_text().splitlines():
        digest, _, rest = line.partition(" ")
        size, _, name = rest.partition(" ")
        if len(digest) != 64 or not size.isdecimal() or name.startswith("/") or ".." in Path(name).parts:
            raise BackupDamaged(f"{LISTING} has a line that no backup writes: {line[:200]!r}.")
        yield digest, int(size), name


def walk(folder: Path) -> Iterator[Path]:
    """Every file below, in a fixed order. Links are not followed. A folder that is removed meanwhile has no files.

    Raises: OSError: a folder cannot be read.
    """
    for place, folders, names in os.walk(folder, onerror=_refuse_unless_gone):
        folders.sort()
        for name in sorted(names):
            yield Path(place) / name


def _refuse_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def require_owner() -> None:
    """Raises: NotTheOwner: row level security would keep most rows from this role, and it may make no tables."""
    if settings.DATABASE_ROLE != "owner":
        raise NotTheOwner("This needs the role that owns the tables: call it with SELFSMITH_DATABASE_ROLE=owner.")


def run_program(*words: str) -> None:
    """A program of PostgreSQL's, told which database, and allowed by row level security to see every row of it.

    Raises: ProgramFailed with the last that it said.
    """
    try:
        done = subprocess.run(words, env=_environment(), capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise ProgramFailed(f"{words[0]} is not installed: it comes with PostgreSQL's client programs.") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ProgramFailed(f"{words[0]} failed: {said[-1][:500]}", lines=said[-20:])


def _environment() -> dict[str, str]:
    database: dict[str, Any] = settings.DATABASES["default"]
    given = {
        "PGHOST": database["HOST"],
        "PGPORT": database["PORT"],
        "PGUSER": database["USER"],
        "PGDATABASE": database["NAME"],
        "PGPASSWORD": database["PASSWORD"],
        "PGOPTIONS": "-c selfsmith.workspace=every",
        "PGCONNECT_TIMEOUT": "10",
    }
    return {**os.environ, **{name: str(value) for name, value in given.items() if value}}
