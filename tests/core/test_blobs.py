"""Stored files: in pieces, for good or not at all, and swept when no row names them."""

import errno
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.core import blobs

MIB = 1 << 20
DAY = timedelta(days=1)


@pytest.fixture
def workspace_id(settings: Any, tmp_path: Path) -> UUID:
    settings.HOME = tmp_path
    return uuid4()


def files_in(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def made_old(path: Path) -> Path:
    os.utime(path, (time.time() - 2 * DAY.total_seconds(),) * 2)
    return path


def test_a_large_file_passes_in_pieces_and_keeps_its_digest(workspace_id: UUID) -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(64):
            yield bytes([number]) * MIB

    blob = blobs.put(workspace_id, pieces(), max_bytes=64 * MIB)
    path = blobs.path_of(workspace_id, blob.sha256)
    assert blob.size == path.stat().st_size == 64 * MIB


def test_a_file_over_its_limit_leaves_nothing(workspace_id: UUID, tmp_path: Path) -> None:
    with pytest.raises(blobs.BlobTooLarge):
        blobs.put(workspace_id, [b"12345", b"678901"], max_bytes=10)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_full_disk_is_a_clear_refusal_and_leaves_nothing(
    workspace_id: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with blobs.IncomingBlob(workspace_id, max_bytes=100) as incoming:
        if failing == "write":
            monkeypatch.setattr(incoming._file, "write", full, raising=False)
        else:
            monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(blobs.DiskFull, match="no room left"):
            incoming.write(b"data")
            incoming.keep()
    assert files_in(tmp_path) == []


def test_what_no_row_names_goes_once_it_is_old(workspace_id: UUID, tmp_path: Path) -> None:
    named, orphan = (blobs.put(workspace_id, [text], max_bytes=100) for text in (b"named", b"orphan"))
    for blob in (named, orphan):
        made_old(blobs.path_of(workspace_id, blob.sha256))
    young = blobs.put(workspace_id, [b"young"], max_bytes=100)
    assert blobs.sweep(workspace_id, age=DAY, is_named=lambda sha256: sha256 == named.sha256) == 1
    assert {path.name for path in files_in(tmp_path)} == {named.sha256, young.sha256}


def test_an_upload_that_broke_off_goes_once_it_is_old(workspace_id: UUID, tmp_path: Path) -> None:
    blobs.put(workspace_id, [b"x"], max_bytes=10)
    broken = tmp_path / "blobs" / workspace_id.hex / ".incoming-abc"
    broken.write_bytes(b"half")
    assert blobs.sweep(workspace_id, age=DAY, is_named=lambda _: True) == 0
    made_old(broken)
    assert blobs.sweep(workspace_id, age=DAY, is_named=lambda _: True) == 1


def test_what_is_stored_again_while_it_is_swept_stays(workspace_id: UUID) -> None:
    blob = blobs.put(workspace_id, [b"again"], max_bytes=100)
    made_old(blobs.path_of(workspace_id, blob.sha256))

    def is_named(_: str) -> bool:
        blobs.put(workspace_id, [b"again"], max_bytes=100)  # somebody's upload, before their row
        return False

    assert blobs.sweep(workspace_id, age=DAY, is_named=is_named) == 0
    assert blobs.path_of(workspace_id, blob.sha256).read_bytes() == b"again"


def test_a_row_that_comes_while_it_is_swept_keeps_its_file(workspace_id: UUID) -> None:
    blob = blobs.put(workspace_id, [b"late"], max_bytes=100)
    made_old(blobs.path_of(workspace_id, blob.sha256))
    answers = iter([False, True])
    assert blobs.sweep(workspace_id, age=DAY, is_named=lambda _: next(answers)) == 0
    assert blobs.path_of(workspace_id, blob.sha256).read_bytes() == b"late"
