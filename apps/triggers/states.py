"""The states of a delivery, and why there is one."""

from enum import StrEnum


class DeliveryState(StrEnum):
    QUEUED = "queued"
    WORKING = "working"
    STARTED = "started"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"


OPEN = (DeliveryState.QUEUED, DeliveryState.WORKING)
TERMINAL = (DeliveryState.STARTED, DeliveryState.SKIPPED, DeliveryState.REFUSED, DeliveryState.FAILED)


class DeliveryKind(StrEnum):
    """The event matched the rule; a person fired the rule; the rule's error handler is told that it failed."""

    MATCH = "match"
    FIRE = "fire"
    ERROR = "error"
