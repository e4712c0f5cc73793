"""Room for the questions that wait for their answers. The box waits for it, the host refuses what comes without it."""

import threading

from . import frames


class Room:
    """Thread-safe. One question of the largest size always finds room when no other is open."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._count = self._bytes = 0

    def take(self, size: int) -> bool:
        """Room for a question of so many bytes, if there is some now."""
        with self._change:
            if not self._has(size):
                return False
            self._add(1, size)
            return True

    def wait(self, size: int) -> None:
        """The same, as soon as there is some."""
        with self._change:
            self._change.wait_for(lambda: self._has(size))
            self._add(1, size)

    def give_back(self, size: int) -> None:
        """The question was answered."""
        with self._change:
            self._add(-1, -size)
            self._change.notify_all()

    def _has(self, size: int) -> bool:
        return self._count < frames.OUTSTANDING and self._bytes + size <= frames.OUTSTANDING_BYTES

    def _add(self, count: int, size: int) -> None:
        self._count += count
        self._bytes += size
