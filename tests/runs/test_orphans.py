"""Files of transactions that were rolled back leave the disk; files that a row names do not."""

import os
import time

import pytest

from apps.core import blobs
from apps.core.tenancy import scope
from apps.runs import orphans
from apps.runs.services import store_upload


def made_old(workspace_id, sha256: str) -> None:
    os.utime(blobs.path_of(workspace_id, sha256), (time.time() - 90_000,) * 2)


def test_a_file_whose_row_was_rolled_back_goes_after_a_day(cast) -> None:
    with pytest.raises(RuntimeError), scope(cast.acme.pk):
        lost = store_upload(actor=cast.developer, name="lost.txt", chunks=[b"lost"])
        raise RuntimeError("the request failed after the upload")
    with scope(cast.acme.pk):
        kept = store_upload(actor=cast.developer, name="kept.txt", chunks=[b"kept"])
    assert orphans.sweep_workspace(cast.acme.pk) == 0
    for file in (lost, kept):
        made_old(cast.acme.pk, file.sha256)
    assert orphans.sweep_workspace(cast.acme.pk) == 1
    assert blobs.path_of(cast.acme.pk, kept.sha256).read_bytes() == b"kept"
    with pytest.raises(blobs.BlobMissing):
        blobs.path_of(cast.acme.pk, lost.sha256)


def test_another_workspace_s_row_does_not_keep_a_file_nor_lose_it(cast) -> None:
    with scope(cast.globex.pk):
        theirs = store_upload(actor=cast.stranger, name="same.txt", chunks=[b"same"])
    blob = blobs.put(cast.acme.pk, [b"same"], max_bytes=10)
    for workspace_id in (cast.acme.pk, cast.globex.pk):
        made_old(workspace_id, blob.sha256)
    assert not orphans.sweep_orphans()
    assert blobs.path_of(cast.globex.pk, theirs.sha256).exists()
    with pytest.raises(blobs.BlobMissing):
        blobs.path_of(cast.acme.pk, blob.sha256)
