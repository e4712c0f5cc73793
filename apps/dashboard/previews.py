"""Artifacts as pages show them. Their content is hostile: how a browser may treat it is decided by the name's ending."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from apps.core import blobs
from apps.runs.models import Artifact

PREVIEW_BYTES = 32 * 1024  # more text than that is for the download
INLINE = {"text/html", "text/plain", "image/png", "image/jpeg", "image/gif", "image/webp"}


@dataclass(frozen=True)
class Preview:
    """What `_components/artifact.html` needs. `text` is empty for what is no text, is HTML, or is too long to show."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    text: str


def previews_of(artifacts: Iterable[Artifact]) -> list[Preview]:
    return [_preview(artifact) for artifact in artifacts]


def _preview(artifact: Artifact) -> Preview:
    text = _text_of(artifact) if artifact.is_text and artifact.media_type != "text/html" else ""
    return Preview(artifact.pk, artifact.name, artifact.media_type, artifact.size, artifact.sha256, text)


def _text_of(artifact: Artifact) -> str:
    if artifact.size > PREVIEW_BYTES:
        return ""
    try:
        content = blobs.path_of(artifact.workspace_id, artifact.sha256).read_bytes()
    except blobs.BlobMissing as missing:
        return f"({missing.message})"
    return content.decode("utf-8", "replace")
