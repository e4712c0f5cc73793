"""How far a tool says it is: told a few times a second at most, however often it says so; the last word is always told."""

import threading
import time
from collections.abc import Callable
from typing import Any

from . import frames

PAUSE_SECONDS = 0.2  # people see no more, and every telling costs the host a look


class Progress:
    """`report` is the tool's; `flush` is called at its end."""

    def __init__(self, tell: Callable[[int, dict[str, Any]], None]) -> None:
        self._tell = tell
        self._told_at = float("-inf")
        self._waiting: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def report(self, fraction: float, text: str) -> None:
        """Told at once, or with a later one."""
        with self._lock:
            self._waiting = {"fraction": min(1.0, max(0.0, fraction)), "text": text[:500]}
            if time.monotonic() - self._told_at >= PAUSE_SECONDS:
                self._say()

    def flush(self) -> None:
        """Tell what has not been told."""
        with self._lock:
            if self._waiting is not None:
                self._say()

    def _say(self) -> None:
        waiting, self._waiting = self._waiting, None
        self._told_at = time.monotonic()
        if waiting is not None:
            self._tell(frames.PROGRESS, waiting)
