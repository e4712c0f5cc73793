"""What a backup and a restore refuse, before anything is written."""

import json
import shutil
from pathlib import Path

import pytest

from apps.core import blobs
from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.monitoring import archive
from apps.monitoring import backup as backup_module
from apps.monitoring.archive import BackupDamaged, NotTheOwner, ProgramFailed
from apps.monitoring.backup import TargetNotEmpty, make_backup
from apps.monitoring.restore import check_empty, restore_backup
from apps.vault.services import set_secret


def quietly(_: str) -> None:
    pass


@pytest.fixture
def home(settings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path / "home"
    settings.HOME.mkdir()
    return settings.HOME


@pytest.fixture
def backup(transactional_cast, home: Path, tmp_path: Path) -> Path:
    """Of acme with one file, one secret, and what is on its way and belongs to nobody yet."""
    acme = transactional_cast.acme.pk
    blobs.put(acme, [b"content"], max_bytes=100)
    (home / "blobs" / acme.hex / ".incoming-x").write_bytes(b"half")
    with scope(acme):
        set_secret(actor=transactional_cast.owner, name="key", value="a secret value")
    make_backup(tmp_path / "backup", with_environments=False, say=quietly)
    return tmp_path / "backup"


def restore(folder: Path) -> None:
    restore_backup(folder, say=quietly)


def change(folder: Path, **fields: object) -> None:
    path = folder / archive.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def forget_everything(monkeypatch) -> None:
    """As if the installation were empty: what comes after that check is looked at."""
    monkeypatch.setattr("apps.monitoring.restore.check_empty", lambda: None)


def test_a_backup_lists_every_file_by_its_digest_and_says_what_it_needs(backup: Path) -> None:
    manifest = archive.read_manifest(backup)
    ((digest, size, name),) = archive.listed_files(backup)
    assert (size, name.rpartition("/")[2]) == (7, digest)
    assert (manifest.files, manifest.bytes, manifest.folders) == (1, 7, ["blobs", "wheels"])
    assert len(manifest.root_keys) == 1
    assert manifest.migrations["monitoring"]
    assert (backup.stat().st_mode & 0o777) == 0o700


def removing_after(monkeypatch, first: str, *then: Path) -> None:
    """A collector comes when the backup has listed a folder and has copied one file of it."""
    real = backup_module._copy

    def copy(source: Path, target: Path) -> object:
        done = real(source, target)
        if source.name == first:
            for path in then:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return done

    monkeypatch.setattr(backup_module, "_copy", copy)


def test_what_a_collector_removes_meanwhile_is_left_out_and_the_backup_goes_on(
    transactional_cast, home: Path, tmp_path: Path, monkeypatch
) -> None:
    (home / "blobs" / "later").mkdir(parents=True)
    for name in ("a", "b", "c", "later/d"):
        (home / "blobs" / name).write_text(name)
    (home / "wheels").mkdir()
    (home / "wheels" / "kept").write_text("kept")
    (home / "wheels" / "kept").chmod(0o640)
    removing_after(monkeypatch, "a", home / "blobs" / "b", home / "blobs" / "later")
    made = make_backup(tmp_path / "backup", with_environments=False, say=quietly)
    assert [name for _, _, name in archive.listed_files(tmp_path / "backup")] == ["blobs/a", "blobs/c", "wheels/kept"]
    assert (made.files, made.bytes) == (3, 6)
    assert (tmp_path / "backup" / archive.FILES / "wheels" / "kept").stat().st_mode & 0o777 == 0o640


def test_an_environment_that_is_removed_meanwhile_is_left_out_as_a_whole(
    transactional_cast, home: Path, tmp_path: Path, monkeypatch
) -> None:
    for folder in ("a" * 64, "b" * 64, "half-built"):
        (home / "environments" / folder).mkdir(parents=True)
        (home / "environments" / folder / f"{folder[0]}1").write_text("1")
        (home / "environments" / folder / f"{folder[0]}2").write_text("2")
    removing_after(monkeypatch, "a1", home / "environments" / ("a" * 64))
    make_backup(tmp_path / "backup", with_environments=True, say=quietly)
    listed = [name for _, _, name in archive.listed_files(tmp_path / "backup")]
    assert listed == [f"environments/{'b' * 64}/b1", f"environments/{'b' * 64}/b2"]
    assert not (tmp_path / "backup" / archive.FILES / "environments" / ("a" * 64)).exists()


def test_a_folder_that_cannot_be_read_is_not_left_out_in_silence(tmp_path: Path, monkeypatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(PermissionError):
        list(archive.walk(tmp_path))


def test_a_folder_that_holds_something_is_not_written_into(transactional_cast, home: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    with pytest.raises(TargetNotEmpty, match="a folder of its own"):
        make_backup(tmp_path, with_environments=False, say=quietly)


def test_the_role_of_the_pages_can_neither_back_up_nor_restore(settings, tmp_path: Path) -> None:
    settings.DATABASE_ROLE = "app"
    with pytest.raises(NotTheOwner, match="SELFSMITH_DATABASE_ROLE=owner"):
        make_backup(tmp_path / "new", with_environments=False, say=quietly)
    with pytest.raises(NotTheOwner, match="SELFSMITH_DATABASE_ROLE=owner"):
        restore(tmp_path)


def test_an_installation_that_is_in_use_is_not_overwritten(backup: Path) -> None:
    with pytest.raises(TargetNotEmpty, match="accounts or workspaces already"):
        restore(backup)


def test_stored_files_are_not_overwritten_either(db, home: Path) -> None:
    check_empty()
    (home / "blobs" / "ab").mkdir(parents=True)
    (home / "blobs" / "ab" / "file").write_text("x")
    with pytest.raises(TargetNotEmpty, match="holds files already"):
        check_empty()


@pytest.mark.parametrize("part", ["file", archive.DUMP, archive.LISTING])
def test_one_changed_byte_anywhere_restores_nothing(backup: Path, home: Path, monkeypatch, part: str) -> None:
    forget_everything(monkeypatch)
    path = next((backup / archive.FILES).rglob("*/" + "?" * 64)) if part == "file" else backup / part
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupDamaged, match="missing or changed"):
        restore(backup)
    assert not (home / "restoring").exists()


def test_a_file_that_is_gone_restores_nothing(backup: Path, monkeypatch) -> None:
    forget_everything(monkeypatch)
    next((backup / archive.FILES).rglob("?" * 64)).unlink()
    with pytest.raises(BackupDamaged, match="missing or changed"):
        restore(backup)


def test_an_unfinished_backup_is_no_backup(backup: Path) -> None:
    (backup / archive.MANIFEST).unlink()
    with pytest.raises(BackupDamaged, match="no finished backup"):
        restore(backup)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "x": 2}', "null"])
def test_a_manifest_that_no_backup_writes_is_refused_in_words(backup: Path, text: str) -> None:
    (backup / archive.MANIFEST).write_text(text)
    with pytest.raises(BackupDamaged):
        restore(backup)


def test_a_backup_of_another_format_is_refused(backup: Path) -> None:
    change(backup, format=2)
    with pytest.raises(BackupDamaged, match="format 2, and this version reads format 1"):
        restore(backup)


def test_a_backup_of_a_newer_version_names_it(backup: Path) -> None:
    change(backup, version="9.1", migrations={"runs": "0099_future"})
    with pytest.raises(BackupDamaged, match=r"version 9\.1, whose tables this version does not know \(runs\.0099_future\)"):
        restore(backup)


@pytest.mark.parametrize(
    "line", ["short 1 blobs/x", f"{'a' * 64} 1 ../../etc/passwd", f"{'a' * 64} 1 /etc/passwd", f"{'a' * 64} x y"]
)
def test_a_listing_cannot_lead_out_of_the_home(backup: Path, line: str) -> None:
    (backup / archive.LISTING).write_text(line + "\n")
    with pytest.raises(BackupDamaged, match="no backup writes"):
        list(archive.listed_files(backup))


def test_a_program_that_fails_says_its_last_line() -> None:
    with pytest.raises(ProgramFailed, match=r"pg_dump failed: .*nothing_like_it") as failed:
        archive.run_program("pg_dump", "--dbname=nothing_like_it", "--file=/dev/null")
    assert isinstance(failed.value, DomainError)


def test_a_program_that_is_missing_is_named(monkeypatch) -> None:
    with pytest.raises(ProgramFailed, match="pg_nothing is not installed"):
        archive.run_program("pg_nothing")
