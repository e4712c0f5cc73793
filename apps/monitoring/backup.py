"""Makes a backup while everything runs. The database comes first: files are stored before the rows that name them, so that
what is copied afterwards holds all that the rows name."""

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apps.core.errors import Conflict
from apps.core.tenancy import every_workspace
from apps.monitoring import archive
from apps.monitoring.archive import DUMP, ENVIRONMENTS, FILES, FOLDERS, LISTING, Manifest
from apps.vault.models import WorkspaceKey

CHUNK = 1024 * 1024
NAME_OF_ENVIRONMENT = 64  # characters: a SHA-256


class TargetNotEmpty(Conflict):
    code = "target_not_empty"


def make_backup(folder: Path, *, with_environments: bool, say: Callable[[str], None]) -> Manifest:
    """Everything but the keys, in a folder that is new or empty.

    Raises: TargetNotEmpty, NotTheOwner, ProgramFailed.
    """
    archive.require_owner()
    if folder.exists() and any(folder.iterdir()):
        raise TargetNotEmpty(f"{folder} is not empty: a backup gets a folder of its own.")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    say("The database …")
    connection.close()  # nothing of ours may hold a lock meanwhile
    archive.run_program("pg_dump", "--format=custom", "--enable-row-security", f"--file={folder / DUMP}")
    names = [*FOLDERS, *([ENVIRONMENTS] if with_environments else [])]
    files = size = 0
    with (folder / LISTING).open("w") as listing:
        for digest, bytes_of, name in _copies(folder / FILES, names, say):
            listing.write(f"{digest} {bytes_of} {name}\n")
            files, size = files + 1, size + bytes_of
    made = Manifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("selfsmith"),
        postgresql=_server_version(),
        migrations=_migrations(),
        root_keys=_root_keys(),
        folders=names,
        dump_sha256=archive.digest_of_file(folder / DUMP),
        listing_sha256=archive.digest_of_file(folder / LISTING),
        files=files,
        bytes=size,
    )
    made.write(folder)
    return made


type Copied = tuple[str, int, str]  # digest, size in bytes, and path below the home, of a file as it was copied


def _copies(target: Path, names: list[str], say: Callable[[str], None]) -> Iterator[Copied]:
    """Copies the home's folders. What a collector removes meanwhile is left out: no row of the dump needs it."""
    for name in names:
        say(f"{name} …")
        source = Path(settings.HOME) / name
        if not source.is_dir():
            continue
        if name == ENVIRONMENTS:
            for environment in sorted(source.iterdir()):
                if len(environment.name) == NAME_OF_ENVIRONMENT:  # others are on their way, and not named by any row yet
                    yield from _copy_whole(environment, target)
        else:
            stored = (path for path in archive.walk(source) if not path.name.startswith(".incoming-"))  # those are on their way
            yield from filter(None, (_copy(path, target) for path in stored))


def _copy_whole(environment: Path, target: Path) -> list[Copied]:
    """All of it or nothing: half of one would pass for a changed one where it is restored."""
    copied = [_copy(path, target) for path in archive.walk(environment)]
    whole = [each for each in copied if each is not None]
    if len(whole) == len(copied) and environment.is_dir():
        return whole
    shutil.rmtree(target / environment.relative_to(settings.HOME), ignore_errors=True)
    return []


def _copy(source: Path, target: Path) -> Copied | None:
    """None when it is not there any more. Once it is open, its removal takes nothing away."""
    inside = source.relative_to(settings.HOME)
    try:
        reading = source.open("rb")
    except FileNotFoundError:
        return None
    copy, digest, size = target / inside, hashlib.sha256(), 0
    copy.parent.mkdir(parents=True, exist_ok=True)
    with reading, copy.open("wb") as writing:
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writing.write(chunk)
        os.fchmod(writing.fileno(), stat.S_IMODE(os.fstat(reading.fileno()).st_mode))
    return digest.hexdigest(), size, str(inside)


def _server_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


def _migrations() -> dict[str, str]:
    """The last one of each app: by these a restore knows whether it understands the tables."""
    return dict(sorted(MigrationRecorder(connection).applied_migrations()))


def _root_keys() -> list[str]:
    """Names of the root keys that open this backup's secrets; a name tells nothing about the key."""
    with every_workspace(reason="a backup says which root keys it needs"):
        return sorted(set(WorkspaceKey.objects.values_list("root_key_id", flat=True)))
