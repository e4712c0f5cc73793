"""Removes boxes that have done their job, in a thread of its own: it takes 0.1 to 0.2 s, which no run should wait for."""

import logging
import queue
import threading
import time

from sandbox.box import Box
from sandbox.errors import SandboxError

logger = logging.getLogger(__name__)
# What a run still has to do when its box is done, which is to be written down and told, comes first on a small machine.
COURTESY_SECONDS = 0.1


class Disposal:
    """Thread-safe. What cannot be removed is said and left to the driver's sweep, which knows it by its folder."""

    def __init__(self) -> None:
        self._boxes: queue.SimpleQueue[tuple[float, Box] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="box-disposal", daemon=True)
        self._thread.start()

    def put(self, box: Box) -> None:
        """Have a box removed soon; at once when this is closed."""
        with self._lock:
            if not self._closed:
                self._boxes.put((time.monotonic() + COURTESY_SECONDS, box))
                return
        _remove(box)

    def close(self) -> None:
        """Remove what was put here, and wait for it. Idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._closing.set()
                self._boxes.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (due := self._boxes.get()) is not None:
            self._closing.wait(max(0.0, due[0] - time.monotonic()))
            _remove(due[1])


def _remove(box: Box) -> None:
    try:
        box.destroy()
    except (SandboxError, OSError) as error:
        logger.error("box.not_removed box=%s error=%s", box.id, error)
