"""The states of a set of packages, and which of them end it."""

from enum import StrEnum


class PackageState(StrEnum):
    QUEUED = "queued"
    RESOLVING = "resolving"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


REFUSED = (PackageState.REJECTED, PackageState.WITHDRAWN, PackageState.EXPIRED)
TERMINAL = (PackageState.FAILED, *REFUSED)
CURRENT = tuple(state for state in PackageState if state not in TERMINAL)
"""A set in one of these is used by whoever asks for the same packages; one that has ended is asked for anew."""
GRANTED = (PackageState.APPROVED, PackageState.BUILDING, PackageState.READY)
