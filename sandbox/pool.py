"""Keeps some boxes warm, so that a run waits milliseconds for one and not half a second. Never gives one out twice."""

import contextlib
import logging
import threading
from collections import deque
from types import TracebackType
from typing import Self

from sandbox.box import Box
from sandbox.driver import DEFAULT_SIZE, NO_LABELS, Driver, Labels
from sandbox.errors import SandboxError
from sandbox.job import BoxSize

logger = logging.getLogger(__name__)

# After a failed start the engine is asked again this much later, doubling up to the second figure. Seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class Pool:
    """`warm` frozen boxes of one size, refilled by one thread. Boxes of other sizes are started when asked for.

    One refilling thread starts 2.2 boxes a second on two cores, four threads only 3.5 (measured).
    """

    def __init__(self, driver: Driver, *, warm: int, size: BoxSize = DEFAULT_SIZE, labels: Labels = NO_LABELS) -> None:
        self._driver, self._warm, self._size, self._labels = driver, warm, size, labels
        self._boxes: deque[Box] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._refill, name="box-pool", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def take(self, *, labels: Labels = NO_LABELS, size: BoxSize | None = None) -> Box:
        """A box for one job, thawed and alive; the caller destroys it. Started afresh when none is warm.

        Raises: SandboxUnavailable, SandboxError after `close`.
        """
        wanted = size or self._size
        while wanted == self._size and (box := self._pop()) is not None:
            box.thaw()
            if box.is_alive():
                box.claim(labels)
                return box
            logger.warning("a warm box had died", extra={"box": box.id})
            box.destroy()
        return self._driver.start(labels={**self._labels, **labels}, size=wanted)

    @property
    def ready(self) -> int:
        """How many boxes are warm now."""
        return len(self._boxes)

    def wait_until_warm(self, seconds: float) -> bool:
        """Wait for a full pool. Gives whether it is."""
        with self._change:
            return self._change.wait_for(lambda: len(self._boxes) >= self._warm or self._closed, seconds)

    def close(self) -> None:
        """Destroy every warm box and start no more. Boxes that were taken belong to their takers. Idempotent."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()
        with contextlib.ExitStack() as stack:
            while self._boxes:
                stack.callback(self._boxes.pop().destroy)

    def _pop(self) -> Box | None:
        with self._change:
            if self._closed:
                raise SandboxError("The pool is closed.")
            self._change.notify_all()
            return self._boxes.popleft() if self._boxes else None

    def _refill(self) -> None:
        pause = _FIRST_PAUSE
        while self._wait_for_room():
            try:
                box = self._driver.start(labels=self._labels, size=self._size)
            except SandboxError as error:
                logger.error("no box could be started: %s", error)
                self._wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            box.freeze()
            self._keep(box)

    def _keep(self, box: Box) -> None:
        with self._change:
            self._boxes.append(box)
            self._change.notify_all()

    def _wait_for_room(self) -> bool:
        with self._change:
            self._change.wait_for(lambda: self._closed or len(self._boxes) < self._warm)
            return not self._closed

    def _wait(self, seconds: float) -> None:
        with self._change:
            self._change.wait_for(lambda: self._closed, seconds)
