"""Who is next when there are fewer boxes than takers: lanes take turns, and within a lane who came first."""

from collections import deque
from dataclasses import dataclass


@dataclass(eq=False)
class Ticket:
    """One taker. `takes_warm`: a waiting box would do; else only one that is started for it."""

    lane: str
    takes_warm: bool


class WaitingLine:
    """Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Ticket]] = {}  # in the order of their turns

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def join(self, lane: str, *, takes_warm: bool) -> Ticket:
        """Stand at the end of a lane; a lane that is new has its turn after all others."""
        ticket = Ticket(lane, takes_warm)
        self._lanes.setdefault(lane, deque()).append(ticket)
        return ticket

    def is_next(self, ticket: Ticket, *, for_warm: bool = False) -> bool:
        """Whether nobody stands before this one who could use the same. A warm box passes by those it does not fit."""
        for lane in self._lanes.values():
            for other in lane:
                if other.takes_warm or not for_warm:
                    return other is ticket
        return False

    def leave(self, ticket: Ticket, *, served: bool) -> None:
        """Go. After one of a lane was served, the other lanes have their turn first."""
        lane = self._lanes[ticket.lane]
        lane.remove(ticket)
        if served or not lane:
            del self._lanes[ticket.lane]
        if lane:
            self._lanes.setdefault(ticket.lane, lane)
