"""What the harness knows by itself, apart from the product: what was acknowledged, what was struck, what was seen."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.processes.installation import Installation

TERMINAL = ("succeeded", "failed", "timed_out", "cancelled", "lost", "refused", "expired")
ENDED = """
SELECT id, state, attempt, result::text, finished_at FROM runs_run
WHERE finished_at IS NOT NULL AND finished_at > now() - interval '20 seconds'
"""
RUNNING = "SELECT id, attempt, leased_by FROM runs_run WHERE state = 'running'"


@dataclass(frozen=True)
class Acknowledged:
    """A run that the web process said it has."""

    run: UUID
    key: str
    retryable: bool


@dataclass
class Fault:
    """One strike: `hit` are the runs, with their attempts, that were in a box or on their way there."""

    mode: str
    at: float
    hit: dict[UUID, int] = field(default_factory=dict)
    recovered_after: dict[UUID, float] = field(default_factory=dict)


class History:
    """Grows while runs are started and faults strike; read by the checker in the end. Thread-safe by its lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged: dict[UUID, Acknowledged] = {}
        self.contradictions: list[str] = []
        self.faults: list[Fault] = []
        self._ends: dict[UUID, tuple[Any, ...]] = {}

    def acknowledge(self, run: UUID, key: str, *, retryable: bool) -> None:
        """A second acknowledgement of the same key must name the same run."""
        with self.lock:
            known = next((each.run for each in self.acknowledged.values() if each.key == key), run)
            if known != run:
                self.contradictions.append(f"the key {key} was answered with {known}, then with {run}")
            self.acknowledged.setdefault(run, Acknowledged(run, key, retryable))

    def see_end(self, run: UUID, end: tuple[Any, ...]) -> None:
        """What has ended must look the same for ever."""
        with self.lock:
            if self._ends.setdefault(run, end) != end:
                self.contradictions.append(f"run {run} had ended as {self._ends[run]} and is now {end}")


class Watcher:
    """Looks at ended runs again and again, beside the product, until it is told to stop."""

    def __init__(self, installation: Installation, history: History) -> None:
        self._installation, self._history = installation, history
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            for run, *end in rows_or_none(self._installation, ENDED):
                self._history.see_end(run, tuple(end))


def rows_or_none(installation: Installation, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows; none while the database itself is being struck."""
    from psycopg import OperationalError

    try:
        return installation.rows(statement, *values)
    except OperationalError:
        return []


def wait_for(condition: Any, seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
