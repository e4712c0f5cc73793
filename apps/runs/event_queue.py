"""What a box said and nobody has stored yet: bounded in number and in bytes, so that a flood waits in the box."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox import ArtifactData, Event, Item, Output

MOST_EVENTS = 1000
MOST_BYTES = 4 * 1024 * 1024  # of output, items and files, those included that are just being stored
LOOK_SECONDS = 0.1  # how often a box that waits asks whether it is still wanted


@dataclass(frozen=True)
class Heard:
    """An event, and when this host heard it: what is stored late keeps its time."""

    at: datetime
    event: Event

    @property
    def bytes(self) -> int:
        if isinstance(self.event, Item):
            return self.event.size
        return len(self.event.data) if isinstance(self.event, Output | ArtifactData) else 0


class EventQueue:
    """One thread puts, another takes. A single event larger than the bound passes alone."""

    def __init__(self, *, events: int = MOST_EVENTS, size: int = MOST_BYTES) -> None:
        self._most_events, self._most_bytes = events, size
        self._changed = threading.Condition()
        self._waiting: deque[Heard] = deque()
        self._bytes = 0
        self._is_ended = self._is_abandoned = False

    def put(self, event: Event, *, is_unwanted: Callable[[], bool]) -> bool:
        """Wait for room; False when the queue was abandoned, or `is_unwanted` said so before there was any."""
        heard = Heard(datetime.now(UTC), event)
        with self._changed:
            while self._is_full(heard.bytes) and not self._is_abandoned:
                if is_unwanted():
                    return False
                self._changed.wait(LOOK_SECONDS)
            if self._is_abandoned:
                return False
            self._waiting.append(heard)
            self._bytes += heard.bytes
            self._changed.notify_all()
            return True

    def end(self) -> None:
        """Nothing follows."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nobody takes any more: whoever puts is not kept waiting."""
        with self._changed:
            self._is_abandoned = True
            self._waiting.clear()
            self._changed.notify_all()

    def take(self, most: int, *, until: float | None = None) -> list[Heard] | None:
        """At least one event, waited for until the monotonic time `until`; [] when that has passed, None at the end."""
        with self._changed:
            while not self._waiting:
                if self._is_ended:
                    return None
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return []
                self._changed.wait(left)
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def stored(self, batch: Sequence[Heard]) -> None:
        """Make room for what waits in the box."""
        with self._changed:
            self._bytes -= sum(heard.bytes for heard in batch)
            self._changed.notify_all()

    def _is_full(self, size: int) -> bool:
        over = bool(self._bytes) and self._bytes + size > self._most_bytes
        return over or len(self._waiting) >= self._most_events
