"""How a job ended: one decision from what was observed, in a fixed order. Pure; touches nothing."""

from dataclasses import dataclass
from enum import StrEnum
from signal import SIGXCPU
from typing import Any


class Kind(StrEnum):
    """The ways in which a job can end. `ok` is the only good one."""

    OK = "ok"
    ERROR = "error"
    OOM = "oom"
    OUTPUT = "output"
    DISK = "disk"
    PROCESSES = "processes"
    TIMEOUT = "timeout"
    KILLED = "killed"
    LOST = "lost"
    INFRA = "infra"


@dataclass(frozen=True)
class JobError:
    """What went wrong inside the tool, for its author. `traceback` holds the frames of the job's own sources only."""

    type: str
    message: str
    traceback: str = ""
    function: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Exit:
    """How the tool's main process ended, as the runner saw it. `signal` is set when a signal ended it."""

    code: int | None
    signal: int | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything that was observed about one job. Who stopped it is noted before stopping it: exit codes cannot tell.

    `broken`: the runner broke the protocol, or never took the job. `spoiled`: the tool did, on the pipes that are its own.
    """

    started: bool
    cancelled: bool = False
    out_of_time: bool = False
    flooded: bool = False
    broken: str | None = None
    spoiled: str | None = None
    exit: Exit | None = None
    error: JobError | None = None
    limit: str | None = None
    has_result: bool = False
    out_of_memory: bool = False


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    `started` says whether the job had been sent: if not, nothing happened and it may be queued again.
    `kernel` was read in the box before the job was known, and begins with GVISOR when it is that.
    `seconds` is the time from sending to the end.
    """

    kind: Kind
    message: str
    started: bool
    kernel: str
    seconds: float
    result: Any = None
    error: JobError | None = None

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK


_LIMITS = {
    "memory": (Kind.OOM, "The tool needed more memory than it may use."),
    "disk": (Kind.DISK, "The tool wrote more to disk than it may."),
    "processes": (Kind.PROCESSES, "The tool started more processes and threads than it may."),
    "result": (Kind.OUTPUT, "The result is larger than a result may be; save it as an artifact instead."),
}


def decide(seen: Evidence) -> tuple[Kind, str]:
    """The first that holds, in this order, with a sentence for the author.

    What the host did itself comes first (it knows), then what the runner told (it watched), then traces of memory
    shortage, and only then "lost". Without the runner's last word nothing counts as ok, whatever was printed before.
    """
    if seen.cancelled:
        return Kind.KILLED, "Cancelled."
    if not seen.started:
        return Kind.INFRA, seen.broken or "The box never took the job."
    if seen.out_of_time:
        return Kind.TIMEOUT, "The tool ran longer than it may."
    if seen.flooded:
        return Kind.OUTPUT, "The tool printed more than it may."
    if seen.broken is not None:
        return Kind.LOST, seen.broken
    if seen.spoiled is not None:
        return Kind.ERROR, seen.spoiled
    if seen.exit is not None:
        return _decide_by_exit(seen, seen.exit)
    if seen.out_of_memory:
        return _LIMITS["memory"]
    return Kind.LOST, "The box ended without a last word; nobody knows how far the tool got."


def _decide_by_exit(seen: Evidence, end: Exit) -> tuple[Kind, str]:
    if end.signal == SIGXCPU:
        return Kind.TIMEOUT, "The tool used more processor time than it may."
    if seen.limit in _LIMITS:
        return _LIMITS[seen.limit]
    if seen.error is not None:
        return Kind.ERROR, f"{seen.error.type}: {seen.error.message}" if seen.error.message else seen.error.type
    if end.code == 0 and seen.has_result:
        return Kind.OK, "Done."
    if seen.out_of_memory:
        return _LIMITS["memory"]
    if end.signal is not None:
        return Kind.ERROR, f"The tool's process was ended by signal {end.signal} before it returned."
    return Kind.ERROR, f"The tool's process ended with code {end.code} before the function returned."
