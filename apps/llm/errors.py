"""Why a model gave no reply, in a kind for the program and a sentence for a person."""

from __future__ import annotations

from enum import StrEnum

from apps.core.errors import Unavailable


class Failure(StrEnum):
    WRONG_KEY = "wrong_key"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    NO_SUCH_MODEL = "no_such_model"
    BAD_REPLY = "bad_reply"
    TIMED_OUT = "timed_out"


# A second call may go better for these; for the others a person has to change something first.
PASSING = frozenset({Failure.UNREACHABLE, Failure.RATE_LIMITED, Failure.BAD_REPLY, Failure.TIMED_OUT})


class ModelUnavailable(Unavailable):
    """A model call that gave no reply.

    `retry_after` is in seconds, where the provider said so. The caller retries, and bounds it; adapters never do.
    """

    code = "model_unavailable"

    def __init__(self, kind: Failure, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, kind=kind.value, retry_after=retry_after)
        self.kind = kind
        self.retry_after = retry_after

    @property
    def may_pass(self) -> bool:
        return self.kind in PASSING
