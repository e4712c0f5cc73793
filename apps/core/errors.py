"""What can go wrong in the domain, in the user's words.

Subclass one of these beside the function that raises it, and give the subclass a `code`. Pages, API, sockets and tasks
each translate them in one place.
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """An anticipated failure. `status` is the HTTP status that fits it; `details` are for machines."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Invalid(DomainError):
    code = "invalid"
    status = 422


class Forbidden(DomainError):
    code = "forbidden"
    status = 403


class NotFound(DomainError):
    code = "not_found"
    status = 404


class Conflict(DomainError):
    code = "conflict"
    status = 409


class TooLarge(DomainError):
    code = "too_large"
    status = 413


class LimitReached(DomainError):
    code = "limit_reached"
    status = 429


class Unavailable(DomainError):
    code = "unavailable"
    status = 503
