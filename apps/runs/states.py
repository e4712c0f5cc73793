"""The states of a run, and how the end of a box becomes one (the table of the architecture's life of a run)."""

from enum import StrEnum

from sandbox import Kind


class RunState(StrEnum):
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"
    REFUSED = "refused"
    EXPIRED = "expired"


OPEN = (RunState.AWAITING_APPROVAL, RunState.QUEUED, RunState.RUNNING)
TERMINAL = tuple(state for state in RunState if state not in OPEN)
FAILED = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)


STATE_OF_OUTCOME: dict[Kind, RunState] = {
    Kind.OK: RunState.SUCCEEDED,
    Kind.ERROR: RunState.FAILED,
    Kind.OOM: RunState.FAILED,
    Kind.OUTPUT: RunState.FAILED,
    Kind.DISK: RunState.FAILED,
    Kind.PROCESSES: RunState.FAILED,
    Kind.FILES: RunState.FAILED,
    Kind.DEPTH: RunState.FAILED,
    Kind.REQUESTS: RunState.FAILED,
    Kind.TIMEOUT: RunState.TIMED_OUT,
    Kind.KILLED: RunState.CANCELLED,
}
"""`lost` and `infra` are not here: they do not end a run by themselves (see work.py)."""
