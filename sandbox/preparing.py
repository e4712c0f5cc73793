"""Makes boxes ready for the next job of a kind before it comes: fresh ones, in which its imports are done."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.box import Box
from sandbox.demand import Demand
from sandbox.driver import DEFAULT_SIZE
from sandbox.errors import SandboxError
from sandbox.job import BoxSize, Imports
from sandbox.shelf import IMPORT_SECONDS

logger = logging.getLogger(__name__)

# The job that was just begun comes first: another box takes both processors of a small machine.
_COURTESY_SECONDS = 0.15
# A kind that could not be prepared is left alone for so long, its jobs run as if nothing had been tried; but for the second
# figure only when there was no box, which is no fault of it.
_PAUSE_SECONDS, _NO_BOX_PAUSE_SECONDS = 60.0, 2.0


class _NoBox(Exception):
    pass


@dataclass
class _Wish:
    """Boxes that jobs of one kind will want, as long as such jobs come."""

    size: BoxSize
    imports: Imports
    demand: Demand
    until: float = 0.0
    not_before: float = 0.0


class Preparer:
    """Thread-safe. One for each kind waits, more when they come closer together than one is made, up to `most` of all kinds:
    those that were wanted last come first. Without that bound each would push out another that is then made again. A large box
    counts as several: what a package took stays taken while it waits.

    `obtain` gives a fresh box of a size; `stock` takes a prepared one; `count` says how many of a kind wait.
    """

    def __init__(
        self,
        *,
        obtain: Callable[[BoxSize], Box],
        stock: Callable[[str, Box], None],
        count: Callable[[str], int],
        dispose: Callable[[Box], None],
        idle_seconds: float,
        most: int,
    ) -> None:
        self._obtain, self._stock, self._count, self._dispose = obtain, stock, count, dispose
        self._idle_seconds, self._most = idle_seconds, most
        self._wishes: dict[str, _Wish] = {}
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="box-preparer", daemon=True)
        self._thread.start()

    def expect(self, key: str, size: BoxSize, imports: Imports) -> None:
        """A job of this kind has taken a box: another is likely to come."""
        with self._change:
            now = time.monotonic()
            wish = self._wishes.pop(key, None) or _Wish(size, imports, Demand(1, self._most))
            self._wishes[key] = wish  # the one that was wanted last stands last
            wish.demand.arrived()
            wish.until = now + self._idle_seconds
            wish.not_before = max(wish.not_before, now + _COURTESY_SECONDS)
            self._change.notify_all()

    def close(self) -> None:
        """Prepare no more, and give up the one at work. Idempotent."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while (found := self._next()) is not None:
            key, wish = found
            began = time.monotonic()
            try:
                self._prepare(key, wish)
            except (SandboxError, OSError, _NoBox) as error:
                logger.warning("box.not_prepared kind=%s error=%s", key[:12], error)
                pause = _NO_BOX_PAUSE_SECONDS if isinstance(error, _NoBox) else _PAUSE_SECONDS
                with self._change:
                    wish.not_before = time.monotonic() + pause
            else:
                with self._change:
                    wish.demand.refilled(time.monotonic() - began)

    def _prepare(self, key: str, wish: _Wish) -> None:
        try:
            box = self._obtain(wish.size)
        except (SandboxError, OSError) as error:
            raise _NoBox(str(error)) from error
        try:
            if not box.import_beforehand(wish.imports, IMPORT_SECONDS, cancelled=lambda: self._closed):
                raise SandboxError(f"The imports did not come to an end within {IMPORT_SECONDS:g} seconds, or ended the box.")
            self._stock(key, box)
        except BaseException:
            self._dispose(box)
            raise

    def _next(self) -> tuple[str, _Wish] | None:
        """Wait for a kind that wants a box. None once it is closed."""
        with self._change:
            while not self._closed:
                now = time.monotonic()
                self._wishes = {key: wish for key, wish in self._wishes.items() if wish.until > now}
                lacking = self._lacking()
                due = [found for found in lacking if found[1].not_before <= now]
                if due:
                    return due[0]
                self._change.wait(min((wish.not_before for _, wish in lacking), default=now + self._idle_seconds) - now)
            return None

    def _lacking(self) -> list[tuple[str, _Wish]]:
        """Kinds of which fewer wait than should, the one that was wanted longest ago first."""
        lacking, room = [], self._most * DEFAULT_SIZE.memory_bytes
        for key, wish in reversed(self._wishes.items()):
            wanted = min(wish.demand.target, room // wish.size.memory_bytes)
            room -= wanted * wish.size.memory_bytes
            if self._count(key) < wanted:
                lacking.append((key, wish))
        return lacking[::-1]
