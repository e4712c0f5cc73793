"""The states of a release of a pack."""

from enum import StrEnum


class ReleaseState(StrEnum):
    AWAITING_APPROVAL = "awaiting_approval"
    INSTALLED = "installed"
    REPLACED = "replaced"
    REMOVED = "removed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


TERMINAL = (ReleaseState.REPLACED, ReleaseState.REJECTED, ReleaseState.WITHDRAWN, ReleaseState.EXPIRED)
"""None of these changes any more. What was removed can be brought back."""
