"""How many boxes should wait: as many as will be asked for while twice the time passes that making one takes."""

import math
import time
from collections.abc import Callable

# Arrivals of this long ago count a third (1/e). Short, because what a burst takes must be there again before the next.
_MEMORY_SECONDS = 20.0
# How much the latest refill counts beside the earlier ones.
_LATEST = 0.2
_USUAL_REFILL_SECONDS = 0.5  # measured on two cores: 0.44 to 0.6 s; replaced by what is seen


class Demand:
    """Smoothed arrivals a second times smoothed seconds a refill times 2, between a minimum and a maximum. Not thread-safe."""

    def __init__(self, minimum: int, maximum: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.minimum, self.maximum = minimum, maximum
        self._clock = clock
        self._weight = 0.0
        self._at = clock()
        self.refill_seconds = _USUAL_REFILL_SECONDS  # smoothed: what making a box takes at this time

    def arrived(self) -> None:
        """Somebody asks for a box."""
        self._fade()
        self._weight += 1

    def refilled(self, seconds: float) -> None:
        """A box was made in this time."""
        self.refill_seconds += _LATEST * (seconds - self.refill_seconds)

    @property
    def target(self) -> int:
        """How many boxes should wait now."""
        self._fade()
        rate = self._weight / _MEMORY_SECONDS
        return min(self.maximum, max(self.minimum, math.ceil(rate * self.refill_seconds * 2)))

    def _fade(self) -> None:
        now = self._clock()
        self._weight *= math.exp(-(now - self._at) / _MEMORY_SECONDS)
        self._at = now
