"""Files that a running box streams out, each written to the disk as it comes: no file is ever whole in memory."""

from uuid import UUID

from apps.core.blobs import Blob, IncomingBlob
from sandbox import ArtifactAbandoned, ArtifactData, ArtifactEnded, ArtifactStarted, Event

LONGEST_NAME = 300


class ArtifactCorrupt(Exception):
    """What was written is not what the sandbox counted: a bug or a broken disk, never the tool's doing."""


class IncomingArtifacts:
    """`made`: name → content. A name that is saved again replaces what it stood for."""

    def __init__(self, workspace_id: UUID, *, max_bytes: int) -> None:
        self._workspace_id, self._max_bytes = workspace_id, max_bytes
        self._open: IncomingBlob | None = None
        self.made: dict[str, Blob] = {}

    def take(self, event: Event) -> None:
        """Raises: core.blobs.DiskFull, BlobTooLarge, ArtifactCorrupt."""
        if isinstance(event, ArtifactStarted):
            self.drop_unfinished()
            self._open = IncomingBlob(self._workspace_id, max_bytes=self._max_bytes)
        elif isinstance(event, ArtifactAbandoned):
            self.drop_unfinished()
        elif self._open is not None and isinstance(event, ArtifactData):
            self._open.write(event.data)
        elif self._open is not None and isinstance(event, ArtifactEnded):
            blob = self._open.keep()
            self._open = None
            if (blob.sha256, blob.size) != (event.sha256, event.size):
                raise ArtifactCorrupt(f"{event.size} bytes came out as {blob.size} with another digest.")
            self.made[event.name[:LONGEST_NAME]] = blob

    def drop_unfinished(self) -> None:
        """A file whose end did not come."""
        if self._open is not None:
            self._open.drop()
            self._open = None
