"""Files by content: a workspace's blobs lie under their SHA-256, written once, never changed.

Rows hold name, size and digest; nothing a user or a box chose is ever part of a path.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings

from apps.core.errors import NotFound, TooLarge


class BlobTooLarge(TooLarge):
    code = "file_too_large"


class BlobMissing(NotFound):
    code = "file_missing"


@dataclass(frozen=True)
class Blob:
    sha256: str
    size: int


def path_of(workspace_id: UUID, sha256: str) -> Path:
    """Where a blob lies.

    Raises:
        BlobMissing: no such blob in this workspace, or the digest is none.
    """
    path = _folder(workspace_id, sha256) / sha256
    if len(sha256) != 64 or not path.is_file():
        raise BlobMissing("This file is no longer stored.", sha256=sha256)
    return path


def put(workspace_id: UUID, chunks: Iterable[bytes], *, max_bytes: int) -> Blob:
    """Store a stream; the same content twice is one file.

    Raises:
        BlobTooLarge: more than max_bytes came; nothing is kept.
    """
    root = _root(workspace_id)
    root.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    descriptor, temporary = tempfile.mkstemp(dir=root, prefix=".incoming-")
    try:
        with os.fdopen(descriptor, "wb") as target:
            for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise BlobTooLarge(f"The file is larger than {max_bytes // 1024} KiB, the limit here.", limit=max_bytes)
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        sha256 = digest.hexdigest()
        folder = _folder(workspace_id, sha256)
        folder.mkdir(exist_ok=True)
        Path(temporary).replace(folder / sha256)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return Blob(sha256, size)


def _root(workspace_id: UUID) -> Path:
    return Path(settings.HOME) / "blobs" / workspace_id.hex


def _folder(workspace_id: UUID, sha256: str) -> Path:
    return _root(workspace_id) / sha256[:2]
