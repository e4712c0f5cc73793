"""What a tool streams out by itself, as the runner sees it pass: counted, so that its folder gets only what is left."""

from typing import Any

from . import frames


class ToolFiles:
    """Hears every frame that the tool sends."""

    def __init__(self) -> None:
        self.files = self.bytes = 0
        self.is_open = False

    def hear(self, kind: int, payload: bytes) -> None:
        """The host checks order and sizes; here they are only counted."""
        if kind == frames.ARTIFACT_STARTED:
            self.files += 1
            self.is_open = True
        elif kind == frames.ARTIFACT_DATA:
            self.bytes += len(payload)
        elif kind in (frames.ARTIFACT_ENDED, frames.ARTIFACT_ABANDONED):
            self.is_open = False

    def left_of(self, limits: dict[str, Any]) -> dict[str, Any]:
        """The limits for what lies in the folder."""
        files, size = limits["artifact_files"] - self.files, limits["artifact_bytes"] - self.bytes
        return {**limits, "artifact_files": max(0, files), "artifact_bytes": max(0, size)}
