"""Files that a form brings, stored as artifacts: all of them or none."""

from collections.abc import Sequence

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from apps.core.blobs import BlobTooLarge
from apps.core.errors import LimitReached
from apps.dashboard.access import PageRequest
from apps.dashboard.wording import as_size
from apps.runs.models import Artifact
from apps.runs.services import store_upload

MOST_FILES = 20


class TooManyFiles(LimitReached):
    code = "too_many_files"


def store_files(request: PageRequest, field: str = "files") -> list[Artifact]:
    """Keep the files that came under `field`. Every size is looked at before the first one is stored.

    Raises:
        BlobTooLarge, TooManyFiles, PermissionMissing, BadFileName
    """
    files: Sequence[UploadedFile[bytes]] = request.FILES.getlist(field)
    if len(files) > MOST_FILES:
        raise TooManyFiles(f"At most {MOST_FILES} files at a time.")
    for file in files:
        if (file.size or 0) > settings.UPLOAD_MAX_BYTES:
            name, limit = (file.name or "")[:100], as_size(settings.UPLOAD_MAX_BYTES)
            raise BlobTooLarge(f"“{name}” has {as_size(file.size)}; a file may have {limit}. Nothing was stored.")
    return [store_upload(actor=request.membership, name=file.name or "", chunks=file.chunks()) for file in files]
