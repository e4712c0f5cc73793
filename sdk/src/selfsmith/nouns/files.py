"""Files: store one to run something on, and fetch those that runs made."""

import hashlib
import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from selfsmith.errors import UnexpectedAnswer, Unreachable
from selfsmith.models import Artifact
from selfsmith.nouns.base import Id, Noun, read, segment

PIECE = 256 * 1024  # bytes
TRIES = 5

type Came = Callable[[int], None]


class Files(Noun):
    def upload(self, path: str | os.PathLike[str], *, name: str | None = None) -> Artifact:
        """Store a file of this machine's; it is read piece by piece."""
        with Path(path).open("rb") as file:
            parts = {"file": (name or Path(path).name, file)}
            return read(Artifact, self._transport.json("POST", "/files", files=parts, timeout=None))

    def get(self, file_id: Id) -> Artifact:
        return read(Artifact, self._transport.get(f"/files/{segment(file_id)}"))

    def download(self, artifact: Artifact, to: str | os.PathLike[str], *, came: Came | None = None) -> Path:
        """Write a file below the folder `to`, or to the path `to`. Goes on where a connection broke off.

        It has its name only when it is whole and is what the platform says that it is. A file of that name is replaced.

        Args:
            came: is called with the number of bytes that are there, as they come.

        Raises: UnexpectedAnswer, when what came is something else
        """
        target = Path(to) / safe_name(artifact.name) if Path(to).is_dir() else Path(to)
        draft = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with draft.open("wb") as file:
                self._fetch(artifact, file.write, came or (lambda there: None))
            with draft.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != artifact.sha256:
                raise UnexpectedAnswer(f"What came as {artifact.name!r} is another file than the platform says.")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return target

    def _fetch(self, artifact: Artifact, write: Callable[[bytes], int], came: Came) -> None:
        there, tries = 0, 0
        while there < artifact.size:
            headers = {"Range": f"bytes={there}-", "If-Range": f'"{artifact.sha256}"'} if there else {}
            try:
                with self._transport.stream(f"/files/{segment(artifact.id)}/content", headers=headers) as response:
                    if there and response.status_code != HTTPStatus.PARTIAL_CONTENT:
                        raise UnexpectedAnswer(f"{artifact.name!r} is no longer the file of which a part has come.")
                    for piece in response.iter_raw(PIECE):
                        write(piece)
                        there += len(piece)
                        came(there)
            except Unreachable:
                tries += 1
                if tries >= TRIES:
                    raise


def safe_name(name: str) -> str:
    """A name that cannot lead out of a folder, whatever the platform said."""
    last = Path(name.replace("\\", "/")).name
    return last if last not in ("", ".", "..") and last.isprintable() else "file"
