"""What a job uses of its box, counted by the host, where no tool can reach."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.limits import Amount

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Usage:
    """Of a whole box since it was made, gVisor's own kernel included; None where the engine does not tell."""

    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None


class Meter:
    """Counts from the moment it is made. `read` asks the engine.

    RLIMIT_CPU counts each process by itself; here the box is counted as a whole, with some room, because gVisor's own
    work is in it: at twice the limit it is over.
    """

    def __init__(self, read: Callable[[], Usage], *, cpu_seconds: int) -> None:
        self._read, self._most = read, 2 * cpu_seconds
        self._before = read().cpu_seconds or 0.0
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self.is_over = False

    def look(self) -> bool:
        """Whether the box has used up its processor time. Asks the engine twice a second at most."""
        if time.monotonic() < self._look_at:
            return self.is_over
        self._look_at = time.monotonic() + _LOOK_SECONDS
        self.is_over = self.is_over or (self.cpu_seconds() or 0.0) > self._most
        return self.is_over

    def cpu_seconds(self) -> float | None:
        """Used by this job so far."""
        total = self._read().cpu_seconds
        return None if total is None else max(0.0, total - self._before)

    def used(self) -> dict[str, Amount]:
        """By the names of limits, what is known."""
        usage = self._read()
        found: dict[str, Amount] = {}
        if usage.cpu_seconds is not None:
            found["cpu_seconds"] = round(max(0.0, usage.cpu_seconds - self._before), 3)
        if usage.peak_memory_bytes is not None:
            found["memory_bytes"] = usage.peak_memory_bytes
        return found
