"""Puts a backup into an empty installation. Everything is compared with the manifest before anything is written."""

import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from apps.accounts.models import User
from apps.monitoring import archive
from apps.monitoring.archive import DUMP, FILES, LISTING, BackupDamaged, Manifest
from apps.monitoring.backup import TargetNotEmpty
from apps.vault.keys import RootKeyUnusable, verify_root_key
from apps.workspaces.models import Workspace

STAGE = "restoring"
CLEAR = """
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP TABLE IF EXISTS public.%I CASCADE', each.tablename);
    END LOOP;
    FOR each IN SELECT oid::regprocedure AS signature FROM pg_proc WHERE pronamespace = 'public'::regnamespace LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', each.signature);
    END LOOP;
END $$
"""


def restore_backup(folder: Path, *, say: Callable[[str], None]) -> Manifest:
    """The database in one transaction, then the files.

    Raises: BackupDamaged, TargetNotEmpty, NotTheOwner, ProgramFailed; nothing has been changed then.
    """
    archive.require_owner()
    manifest = archive.read_manifest(folder)
    _check_version(manifest)
    check_empty()
    say(f"Comparing {manifest.files} files with their digests …")
    _verify(folder, manifest)
    say("Copying the files …")
    _stage(folder)
    say("The database …")
    _clear_tables()
    connection.close()
    archive.run_program(
        "pg_restore",
        "--exit-on-error",
        "--single-transaction",
        f"--dbname={settings.DATABASES['default']['NAME']}",
        str(folder / DUMP),
    )
    _put_in_place()
    return manifest


def check_empty() -> None:
    """Nobody has an account or a workspace here, no file is stored, and no process is at work.

    Raises: TargetNotEmpty
    """
    tables = connection.introspection.table_names()
    if User._meta.db_table in tables and (User.objects.exists() or Workspace.objects.exists()):
        raise TargetNotEmpty("This installation has accounts or workspaces already: restore into an empty one.")
    if any(archive.walk(_home() / "blobs")):
        raise TargetNotEmpty(f"{_home() / 'blobs'} holds files already: restore into an empty installation.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'selfsmith_app'")
        if cursor.fetchone()[0]:
            raise TargetNotEmpty("Processes of Selfsmith are connected to this database: stop web, worker and scheduler first.")


def root_key_problem(manifest: Manifest) -> str:
    """What to do so that the restored secrets can be opened; empty when this installation's root key opens them."""
    try:
        verify_root_key()
    except RootKeyUnusable as problem:
        return (
            f"{problem.message} Until then no process starts. The key belongs into the file that SELFSMITH_VAULT_ROOT_KEY_FILE"
            f" names; this backup needs {', '.join(manifest.root_keys)}."
        )
    return ""


def _check_version(manifest: Manifest) -> None:
    known = set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or ())
    unknown = [f"{app}.{name}" for app, name in manifest.migrations.items() if (app, name) not in known]
    if unknown:
        raise BackupDamaged(
            f"This backup was made by version {manifest.version}, whose tables this version does not know"
            f" ({', '.join(unknown[:3])}): restore it with that version or a newer one."
        )


def _verify(folder: Path, manifest: Manifest) -> None:
    for name, expected in ((DUMP, manifest.dump_sha256), (LISTING, manifest.listing_sha256)):
        path = folder / name
        if not path.is_file() or archive.digest_of_file(path) != expected:
            raise BackupDamaged(f"{name} of this backup is missing or changed. Nothing was restored.")
    for digest, _, name in archive.listed_files(folder):
        path = folder / FILES / name
        if path.is_symlink() or not path.is_file() or archive.digest_of_file(path) != digest:
            raise BackupDamaged(f"{name} of this backup is missing or changed. Nothing was restored.")


def _stage(folder: Path) -> None:
    """Beside where they belong, so that a full disk is met before the database is touched."""
    stage = _home() / STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    for _, _, name in archive.listed_files(folder):
        target = stage / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / FILES / name, target)


def _clear_tables() -> None:
    """The empty tables that a first start made."""
    with connection.cursor() as cursor:
        cursor.execute(CLEAR)


def _put_in_place() -> None:
    """Equal names are equal contents in all these folders but `blobs`, which is empty."""
    stage = _home() / STAGE
    for folder in sorted(stage.iterdir()):
        home = _home() / folder.name
        home.mkdir(exist_ok=True)
        for entry in sorted(folder.iterdir()):
            if not (home / entry.name).exists():
                entry.rename(home / entry.name)
    shutil.rmtree(stage)


def _home() -> Path:
    return Path(settings.HOME)
