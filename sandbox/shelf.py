"""Boxes that are kept between jobs of one kind, frozen while nobody needs them, and removed when nobody does for a while."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.box import Box
from sandbox.driver import NO_LABELS, Labels

logger = logging.getLogger(__name__)

# How long a box may take to make itself ready for one more job. Usually some 0.1 s.
RENEWAL_SECONDS = 10.0


@dataclass(eq=False)
class _Place:
    """One box on the shelf. `settling` is held by whoever waits for it to be ready, freezes or thaws it."""

    key: str
    box: Box
    until: float
    is_settled: bool = False
    settling: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """Thread-safe. `dispose` gets every box that leaves without a taker."""

    def __init__(self, *, idle_seconds: float, most: int, dispose: Callable[[Box], None]) -> None:
        self._idle_seconds, self._most, self._dispose = idle_seconds, most, dispose
        self._places: list[_Place] = []  # the longest idle first
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="box-shelf", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._places)

    def put(self, key: str, box: Box) -> None:
        """Keep a box for the next job of its kind; it is asked to make itself ready. The longest idle makes room."""
        with self._change:
            if self._closed:
                self._dispose(box)
                return
            try:
                box.renew()
            except OSError as error:  # its folder is gone
                logger.warning("box.gone box=%s error=%s", box.id, error)
                self._dispose(box)
                return
            self._places.append(_Place(key, box, time.monotonic() + self._idle_seconds))
            self._make_room()
            self._change.notify_all()

    def take(self, key: str, labels: Labels) -> Box | None:
        """A box of this kind, thawed, ready and claimed, the latest used first; None when there is none."""
        while (place := self._pop(key)) is not None:
            with place.settling:
                if _wake(place, labels):
                    return place.box
            self._dispose(place.box)
        return None

    def clear(self) -> None:
        """Give up every box that is here now. One that is being frozen at this moment is given up afterwards."""
        for place in list(self._places):
            with place.settling, self._change:
                if place in self._places:
                    self._remove([place])

    def close(self) -> None:
        """Give up every box. Idempotent."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()
        with self._change:
            self._remove(list(self._places))

    def _pop(self, key: str) -> _Place | None:
        with self._change:
            place = next((each for each in reversed(self._places) if each.key == key), None)
            if place is not None:
                self._places.remove(place)
            return place

    def _make_room(self) -> None:
        """Only of those that nobody is busy with: it may be one more for a moment."""
        idle = [place for place in self._places if place.is_settled]
        self._remove(idle[: max(0, len(self._places) - self._most)])

    def _remove(self, places: list[_Place]) -> None:
        for place in places:
            self._places.remove(place)
            self._dispose(place.box)

    def _work(self) -> None:
        while (place := self._next_unsettled()) is not None:
            with place.settling:
                if place in self._places:
                    self._settle(place)

    def _next_unsettled(self) -> _Place | None:
        """Wait for a box that is to be frozen, and see off those that were idle for too long. None once it is closed."""
        with self._change:
            while not self._closed:
                now = time.monotonic()
                self._remove([place for place in self._places if place.is_settled and place.until <= now])
                unsettled = next((place for place in self._places if not place.is_settled), None)
                if unsettled is not None:
                    return unsettled
                self._change.wait(self._places[0].until - now if self._places else None)
            return None

    def _settle(self, place: _Place) -> None:
        """Freeze a box once it is ready; give up one that does not become it."""
        try:
            if place.box.is_renewed(RENEWAL_SECONDS):
                place.box.freeze()
                with self._change:
                    place.is_settled = True
                    self._make_room()
                return
        except OSError as error:
            logger.error("box.not_frozen box=%s error=%s", place.box.id, error)
        with self._change:
            if place in self._places:
                logger.warning("box.not_renewed box=%s", place.box.id)
                self._remove([place])


def _wake(place: _Place, labels: Labels) -> bool:
    """Thaw a box and write down for whom it works. False for one that is of no use any more."""
    try:
        place.box.thaw()
        # Also one that has just become ready: it may have died since it said so.
        if place.box.is_renewed(RENEWAL_SECONDS) and place.box.ping():
            place.box.claim(labels, name=NO_LABELS)
            return True
        logger.warning("box.not_renewed box=%s", place.box.id)
    except OSError as error:  # its control group or its folder is gone
        logger.warning("box.gone box=%s error=%s", place.box.id, error)
    return False
