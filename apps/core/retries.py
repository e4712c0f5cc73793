"""When lost or failed work is tried again, for every kind of leased work.

Two counts, never mixed: losses (the worker vanished; after MAX_LOSSES the row is taken for the workers' killer) and
failures (the work itself said no; each kind of work has its own limit).
"""

import random
from dataclasses import dataclass
from datetime import timedelta

from apps.core.leases import Leased

MAX_LOSSES = 3


def outlived_its_workers(row: Leased) -> bool:
    """Whether the loss that is being counted now is one too many."""
    return row.losses + 1 >= MAX_LOSSES


@dataclass(frozen=True)
class Backoff:
    """How long to wait before the next try: doubling from `base` up to `cap`, seconds."""

    base: float
    cap: float

    def longest(self, failures: int) -> float:
        """Seconds that the pause after so many failures (1 or more) lasts at most."""
        return min(self.cap, self.base * (1 << min(failures - 1, 30)))

    def pause(self, failures: int) -> timedelta:
        """Full jitter: anything up to the longest, so that what failed together does not come back together."""
        return timedelta(seconds=random.uniform(0, self.longest(failures)))  # noqa: S311 (no secret)
