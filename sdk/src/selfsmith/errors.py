"""Everything that can go wrong, each with a sentence for a person and a code for a program."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfsmith.models import Run


class SelfsmithError(Exception):
    """The base of all. `code` names the kind of failure for programs."""

    code = "error"

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code


class NotConfigured(SelfsmithError):
    """Nobody has said which Selfsmith is meant, or with which token."""

    code = "not_configured"


class Unreachable(SelfsmithError):
    """No answer came, or the answer was that of a server in trouble, also after further tries."""

    code = "unreachable"


class UnexpectedAnswer(SelfsmithError):
    """What answered is no Selfsmith that this package understands."""

    code = "unexpected_answer"


class WaitTimedOut(SelfsmithError):
    """A wait was over before the run was. The run goes on."""

    code = "wait_timed_out"


class CannotBePushed(SelfsmithError):
    """A file, or something that was said of it, is none that can be pushed."""

    code = "cannot_be_pushed"


class Refused(SelfsmithError):
    """The platform said no. `status` is HTTP's, `details` are what the platform tells programs."""

    code = "refused"

    def __init__(self, message: str, *, code: str = "", status: int = 0, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.details = dict(details or {})


class NotSignedIn(Refused):
    """The token is unknown, expired or revoked."""


class Forbidden(Refused):
    """The token's owner, or a token at all, may not do this."""


class NotFound(Refused):
    """There is no such thing in the token's workspace."""


class Conflict(Refused):
    """Something else stands against it, such as a change by somebody else."""


class Invalid(Refused):
    """What was sent does not fit."""


class TooManyRequests(Refused):
    """A limit was reached, and waiting as long as a client should did not help. `details` may say what to wait."""


class RunEnded(SelfsmithError):
    """A run that was to give a result gave none. `run` is the whole run."""

    code = "run_ended"

    def __init__(self, run: "Run", message: str) -> None:
        super().__init__(message)
        self.run = run


class RunFailed(RunEnded):
    """It ended otherwise than well; `traceback` is what the function's own code left in its box."""

    code = "run_failed"

    def __init__(self, run: "Run") -> None:
        super().__init__(run, f"The run of {run.function} ended as {run.state}. {run.message}".strip())
        self.traceback: str = str((run.error or {}).get("traceback") or "")
        if self.traceback:
            self.add_note(f"In the box:\n{self.traceback}")


class WaitsForPeople(RunEnded):
    """People have to decide before it can begin. It has its place, and begins by itself afterwards."""

    code = "waits_for_people"

    def __init__(self, run: "Run") -> None:
        sentence = f"The run {run.id} of {run.function} waits until people have decided on what it needs; see Approvals."
        super().__init__(run, sentence)


_BY_STATUS: Mapping[int, type[Refused]] = {
    HTTPStatus.UNAUTHORIZED: NotSignedIn,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.BAD_REQUEST: Invalid,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Invalid,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequests,
}


def refusal(status: int, problem: object) -> Refused:
    """The error of an answer below 500: its kind by the status, its words from the problem that the platform told."""
    told = problem if isinstance(problem, dict) else {}
    message = str(told.get("title") or f"The platform answered {status} without saying why.")
    details = told.get("details")
    kind = _BY_STATUS.get(status, Refused)
    return kind(
        message, code=str(told.get("code") or ""), status=status, details=details if isinstance(details, dict) else None
    )  # fmt: skip
