"""The states of a request, what a vote may say, and the part that an author had."""

from enum import StrEnum


class RequestState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


TERMINAL = tuple(state for state in RequestState if state != RequestState.OPEN)


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class Part(StrEnum):
    ASKED = "asked"  # in whose name the request was opened
    PROMPTED = "prompted"  # who told the agent to do what led to it
    WROTE = "wrote"  # owner of the agent, last editor, and whoever else had a hand in it
