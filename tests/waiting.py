"""How tests wait for what other threads and processes do: until it is so, and never longer than it can take."""

import threading
import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], seconds: float = 60) -> float:
    """Look until the condition holds; how many seconds that took. The time is far above what a busy machine needs."""
    began, pause = time.monotonic(), threading.Event()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        pause.wait(0.01)
    return time.monotonic() - began
