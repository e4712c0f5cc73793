"""What the harness knows by itself, apart from the product: what was acknowledged, what was struck, what was seen."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.processes.installation import Installation

LEASE_SECONDS = 3
SWEEP_SECONDS = 1  # the scheduler's round
COSTLY = ("worker-kill", "worker-stop", "postgres", "docker")
BOUND_SECONDS = LEASE_SECONDS + SWEEP_SECONDS + 1
AFTERMATH = timedelta(seconds=BOUND_SECONDS)  # until what a strike has broken must have been noticed
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
    """One strike: `hit` are the runs, with their attempts, that were in a box or on their way there.

    `holder` is the process that was struck, as it stands in the names of leases; empty when all were. `healed` is None
    while the strike goes on; `is_over` says that all that was hit has ended in time.
    """

    mode: str
    began: datetime
    holder: str = ""
    healed: datetime | None = None
    is_over: bool = False
    hit: dict[UUID, int] = field(default_factory=dict)

    @property
    def costs_from(self) -> datetime:
        """From when on recovery is counted: nothing begins without the database or the engine, so from their return."""
        return self.healed if self.mode in ("postgres", "docker") and self.healed else self.began

    def may_have_cost(self, attempt: "Attempt") -> bool:
        """Whether this strike excuses that an attempt was lost: one that only took messages or Redis away excuses none."""
        if self.mode not in COSTLY or self.healed is None:
            return False
        if self.mode == "worker-kill":
            return self.holder in attempt.worker  # which never held anything again, whenever that was noticed
        is_in_time = attempt.started <= self.healed + AFTERMATH and (attempt.ended is None or attempt.ended >= self.began)
        return is_in_time and self.holder in attempt.worker


@dataclass(frozen=True)
class Attempt:
    """One row of the product's. `outcome` is empty while it is open."""

    number: int
    worker: str
    outcome: str
    started: datetime
    ended: datetime | None


class History:
    """Grows while runs are started and faults strike; read by the checker in the end. Thread-safe by its lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged: dict[UUID, Acknowledged] = {}
        self.contradictions: list[str] = []
        self.faults: list[Fault] = []
        self._ends: dict[UUID, tuple[Any, ...]] = {}
        self._unasked: list[UUID] = []

    def acknowledge(self, run: UUID, key: str, *, retryable: bool) -> None:
        """A second acknowledgement of the same key must name the same run."""
        with self.lock:
            known = next((each.run for each in self.acknowledged.values() if each.key == key), run)
            if known != run:
                self.contradictions.append(f"the key {key} was answered with {known}, then with {run}")
            self.acknowledged.setdefault(run, Acknowledged(run, key, retryable))

    def some_ended(self) -> UUID | None:
        """A run that was seen to have ended, a different one each time."""
        with self.lock:
            return self._unasked.pop() if self._unasked else None

    def contradict(self, sentence: str) -> None:
        with self.lock:
            self.contradictions.append(sentence)

    def see_end(self, run: UUID, end: tuple[Any, ...]) -> None:
        """What has ended must look the same for ever."""
        with self.lock:
            if run not in self._ends:
                self._unasked.append(run)
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


def now() -> datetime:
    """As the database tells it: it is on the same machine."""
    return datetime.now(UTC)


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
