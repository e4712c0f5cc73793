"""How each state reads: one word, one icon, one tone. The only such table; a state missing here is a programming error."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StateLook:
    """What a state badge shows. The word carries the meaning; tone and icon only repeat it."""

    word: str
    icon: str
    tone: str


_QUEUED = StateLook("Queued", "clock", "idle")
_RUNNING = StateLook("Running", "arrow-path", "active")
_WAITING = StateLook("Waiting for approval", "hand-raised", "waiting")
_FAILED = StateLook("Failed", "x-circle", "bad")
_CANCELLED = StateLook("Cancelled", "minus-circle", "idle")
_EXPIRED = StateLook("Expired", "clock", "idle")
_REJECTED = StateLook("Rejected", "no-symbol", "bad")

LOOKS: dict[str, StateLook] = {
    # runs
    "awaiting_approval": _WAITING,
    "queued": _QUEUED,
    "running": _RUNNING,
    "succeeded": StateLook("Succeeded", "check-circle", "good"),
    "failed": _FAILED,
    "timed_out": StateLook("Timed out", "clock", "bad"),
    "cancelled": _CANCELLED,
    "lost": StateLook("Lost", "signal-slash", "bad"),
    "refused": StateLook("Refused", "no-symbol", "bad"),
    "expired": _EXPIRED,
    # what a tool tried to reach; refused and failed read as above
    "allowed": StateLook("Allowed", "check-circle", "good"),
    # requests for many runs
    "done": StateLook("Done", "check-circle", "good"),
    # what a tool asked a language model
    "asked": StateLook("Asked", "arrow-path", "active"),
    "answered": StateLook("Answered", "check-circle", "good"),
    # how functions do
    "healthy": StateLook("Healthy", "check-circle", "good"),
    "unsteady": StateLook("Unsteady", "exclamation-triangle", "waiting"),
    "failing": StateLook("Failing", "x-circle", "bad"),
    "never_run": StateLook("Never run", "minus-circle", "idle"),
    # tasks and their steps
    "working": StateLook("Working", "arrow-path", "active"),
    "waiting": StateLook("Waiting", "hand-raised", "waiting"),
    "completed": StateLook("Completed", "check-circle", "good"),
    "over_budget": StateLook("Over budget", "banknotes", "bad"),
    # events at rules
    "started": StateLook("Started", "play", "good"),
    "skipped": StateLook("Not met", "minus-circle", "idle"),
    # requests
    "open": StateLook("Open", "hand-raised", "waiting"),
    "approved": StateLook("Approved", "check-circle", "good"),
    "approve": StateLook("Approved", "check-circle", "good"),
    "rejected": _REJECTED,
    "reject": _REJECTED,
    "withdrawn": StateLook("Withdrawn", "arrow-uturn-left", "idle"),
    # releases of packs
    "installed": StateLook("Installed", "check-circle", "good"),
    "replaced": StateLook("Replaced", "arrow-path", "idle"),
    "removed": StateLook("Removed", "archive-box", "idle"),
    # package sets
    "resolving": StateLook("Resolving", "arrow-path", "active"),
    "building": StateLook("Building", "arrow-path", "active"),
    "ready": StateLook("Ready", "check-circle", "good"),
    # hostile programs
    "held": StateLook("Held", "shield-check", "good"),
    "not_held": StateLook("Not held", "shield-exclamation", "bad"),
    "not_fired": StateLook("Not fired yet", "question-mark-circle", "idle"),
    # examples
    "met": StateLook("As expected", "check-circle", "good"),
    "unmet": StateLook("Not as expected", "x-circle", "bad"),
    "untried": StateLook("Not tried yet", "question-mark-circle", "idle"),
    "outdated": StateLook("What it calls has changed since", "arrow-path", "waiting"),
    # connections and parts of the installation
    "ok": StateLook("Works", "check-circle", "good"),
    "degraded": StateLook("Degraded", "exclamation-triangle", "waiting"),
    "unreachable": StateLook("Not reachable", "signal-slash", "bad"),
    "untested": StateLook("Not tested yet", "question-mark-circle", "idle"),
}


def look_of(state: str) -> StateLook:
    """The look of a state.

    Raises:
        KeyError: the state has no look yet; add it to the table.
    """
    return LOOKS[state]
