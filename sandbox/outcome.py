"""How a job ended: one decision from what was observed, in a fixed order. Pure; touches nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from signal import SIGKILL, SIGXCPU, SIGXFSZ
from typing import Any, NamedTuple

from sandbox import sentences
from sandbox.job import Limits
from sandbox.limits import Amount


class Kind(StrEnum):
    """The ways in which a job can end. `ok` is the only good one."""

    OK = "ok"
    ERROR = "error"
    OOM = "oom"
    OUTPUT = "output"
    DISK = "disk"
    PROCESSES = "processes"
    FILES = "files"
    DEPTH = "depth"
    REQUESTS = "requests"
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
    `limit`: which limit the tool's own process says it met. `cpu_seconds`: what the whole box used, by the host's own
    count; None where it cannot count. `left_out`: files that were not kept.
    """

    started: bool
    cancelled: bool = False
    out_of_time: bool = False
    out_of_cpu: bool = False
    flooded: bool = False
    broken: str | None = None
    spoiled: str | None = None
    exit: Exit | None = None
    error: JobError | None = None
    limit: str | None = None
    has_result: bool = False
    out_of_memory: bool = False
    asked_too_often: bool = False
    cpu_seconds: float | None = None
    left_out: int = 0


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    `started` says whether the job had been sent: if not, nothing happened and it may be queued again.
    `kernel` was read in the box before the job was known, and begins with GVISOR when it is that.
    `seconds` is the time from sending to the end. `limit` names the limit that ended the job. `used` holds what it used
    of its limits, by their names, as far as the host could tell.
    """

    kind: Kind
    message: str
    started: bool
    kernel: str
    seconds: float
    result: Any = None
    error: JobError | None = None
    limit: str | None = None
    used: Mapping[str, Amount] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK


class Decision(NamedTuple):
    """How it ended, the sentence for its author, and the limit that ended it."""

    kind: Kind
    message: str
    limit: str | None = None


_KIND_OF_LIMIT = {
    "memory_bytes": Kind.OOM,
    "scratch_bytes": Kind.DISK,
    "processes": Kind.PROCESSES,
    "open_files": Kind.FILES,
    "result_bytes": Kind.OUTPUT,
    "call_depth": Kind.DEPTH,
}
"""What the tool's own process may say that it met."""

# Of a limit of processor time. gVisor counts a process that waits for a busy processor as one that uses it, so the host's
# count may be much lower at an honest end; a signal that the tool sent to itself comes with next to none.
_LEAST_SHARE = 0.1


def decide(seen: Evidence, limits: Limits) -> Decision:
    """The first that holds, in this order, with a sentence for the author.

    What the host did itself comes first (it knows), then what the runner told (it watched), then traces of memory
    shortage, and only then "lost". Without the runner's last word nothing counts as ok, whatever was printed before.
    """
    if seen.cancelled:
        return Decision(Kind.KILLED, "Cancelled.")
    if not seen.started:
        return Decision(Kind.INFRA, seen.broken or "The box never took the job.")
    if stopped := _stopped_by_host(seen):
        return _at(*stopped, limits)
    if seen.broken is not None:
        return Decision(Kind.LOST, seen.broken)
    if seen.spoiled is not None:
        return Decision(Kind.ERROR, seen.spoiled)
    if seen.exit is not None:
        return _decide_by_exit(seen, seen.exit, limits)
    if seen.out_of_memory:
        return _at(Kind.OOM, "memory_bytes", limits)
    return Decision(Kind.LOST, "The box ended without a last word; nobody knows how far the tool got.")


def _stopped_by_host(seen: Evidence) -> tuple[Kind, str] | None:
    """The limit at which the host itself ended the job."""
    if seen.out_of_time:
        return Kind.TIMEOUT, "wall_seconds"
    if seen.out_of_cpu:
        return Kind.TIMEOUT, "cpu_seconds"
    if seen.flooded:
        return Kind.OUTPUT, "output_bytes"
    return (Kind.REQUESTS, "requests") if seen.asked_too_often else None


def _decide_by_exit(seen: Evidence, end: Exit, limits: Limits) -> Decision:
    if _ran_out_of_cpu(seen, end, limits):
        return _at(Kind.TIMEOUT, "cpu_seconds", limits)
    if end.signal == SIGXFSZ:
        return _at(Kind.DISK, "scratch_bytes", limits)
    if seen.limit in _KIND_OF_LIMIT:
        return _at(_KIND_OF_LIMIT[seen.limit], seen.limit, limits)
    if seen.error is not None:
        return Decision(Kind.ERROR, sentences.of_error(seen.error.type, seen.error.message))
    if end.code == 0 and seen.has_result:
        return Decision(Kind.OK, sentences.of_success(seen.left_out))
    if seen.out_of_memory:
        return _at(Kind.OOM, "memory_bytes", limits)
    return Decision(Kind.ERROR, sentences.of_signal(end.signal) if end.signal is not None else sentences.of_code(end.code))


def _ran_out_of_cpu(seen: Evidence, end: Exit, limits: Limits) -> bool:
    """By the signal that the kernel sends, or the one that follows for who ignores it; never against the host's own count."""
    if end.signal == SIGXCPU:
        return seen.cpu_seconds is None or seen.cpu_seconds >= _LEAST_SHARE * limits.cpu_seconds
    return end.signal == SIGKILL and seen.cpu_seconds is not None and seen.cpu_seconds >= limits.cpu_seconds


def _at(kind: Kind, name: str, limits: Limits) -> Decision:
    return Decision(kind, sentences.at_limit(name, getattr(limits, name)), name)
