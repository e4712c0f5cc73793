"""Boxes for jobs of one kind, frozen while nobody needs them, and removed when nobody does for a while: kept from one job to
the next, or made ready for one job that has not come yet.

A box of a kind is cheap only once it is there. So who wants one while all of its kind are at work waits for them as long as
its turn there comes sooner than another box could be made; more boxes are made only for jobs that take long, or many at once.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sandbox.box import Box
from sandbox.driver import DEFAULT_SIZE, NO_LABELS, Labels
from sandbox.errors import SandboxError
from sandbox.job import Imports

logger = logging.getLogger(__name__)

# How long a box may take to make itself ready for one more job. Usually some 0.1 s.
RENEWAL_SECONDS = 10.0
# How long the imports of a job may take before it comes. pandas takes about one second in a box.
IMPORT_SECONDS = 20.0
# Imports that did not come to an end are not tried again for so long: the same code is likely to do the same.
_PAUSE_SECONDS = 600.0


@dataclass(eq=False)
class _Place:
    """One box on the shelf. `settling` is held by whoever waits for it to be ready, freezes or thaws it.

    `lent_at` is None for one that has had no job; such a one will have one only.
    """

    key: str
    box: Box
    until: float
    lent_at: float | None = None
    imports: Imports | None = None
    is_settled: bool = False
    is_given_up: bool = False
    settling: threading.Lock = field(default_factory=threading.Lock)

    @property
    def has_imported(self) -> bool:
        """Or will have, before it is settled."""
        return self.imports is not None or self.lent_at is None


@dataclass
class AtWork:
    """What is at work of one kind, or being made, and how long the last turn took: a job and the renewal after it."""

    at_work: int = 0
    waiting: int = 0
    turn_seconds: float | None = None

    def pays_to_wait(self, another_seconds: float) -> bool:
        """Whether one more taker has its turn sooner than a box of its own. Nobody waits for what is not known."""
        if not self.at_work or self.turn_seconds is None:
            return False
        return self.turn_seconds * (self.waiting + 1) / self.at_work < another_seconds


class Shelf:
    """Thread-safe. `dispose` gets every box that leaves without a taker; `another_seconds` says what making one takes now."""

    def __init__(
        self, *, idle_seconds: float, most: int, dispose: Callable[[Box], None], another_seconds: Callable[[], float]
    ) -> None:
        self._idle_seconds, self._most, self._dispose, self._another_seconds = idle_seconds, most, dispose, another_seconds
        self._most_memory = most * DEFAULT_SIZE.memory_bytes  # of those that have imported
        self._places: list[_Place] = []  # the longest idle first
        self._kinds: dict[str, AtWork] = {}
        self._no_imports_until: dict[str, float] = {}
        self._change = threading.Condition()
        self._closed = False
        # Those that import have a thread of their own: a package takes its time, and no other kind's box is to wait for it.
        self._threads = [
            threading.Thread(target=self._work, kwargs={"importing": importing}, name=f"box-shelf-{importing}", daemon=True)
            for importing in (False, True)
        ]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def waiting(self) -> int:
        """How many takers wait for a box of their kind that is at work."""
        with self._change:
            return sum(kind.waiting for kind in self._kinds.values())

    @contextlib.contextmanager
    def lend(
        self,
        key: str,
        labels: Labels,
        *,
        make: Callable[[], Box],
        may_keep: Callable[[Box], bool],
        imports: Imports | None = None,
    ) -> Iterator[Box]:
        """A box of this kind for one job, thawed, ready and claimed: the one used last, or one that `make` gives.

        Afterwards it is kept for the next job of its kind if it still may be; the longest idle makes room. While it waits it
        does that job's imports.
        """
        place = self._turn(key)
        try:
            box = self._first_that_wakes(place, key, labels) or make()
            began = time.monotonic()
            try:
                yield box
            finally:
                if may_keep(box):
                    may_import = imports is not None and self._may_import(key, box)
                    self._put(_Place(key, box, self._until(), lent_at=began, imports=imports if may_import else None))
                else:
                    self._dispose(box)
        finally:
            self._leave(key)

    def stock(self, key: str, box: Box) -> None:
        """Put a box here that is ready for a job of this kind and has had none.

        Raises: OSError when it cannot be frozen, SandboxError when this process may not do that; then it is not here.
        """
        if not box.freeze():
            raise SandboxError("This process may not freeze boxes, so none can wait in which imports were done.")
        place = _Place(key, box, self._until(), is_settled=True)
        with self._change:
            if self._closed:
                self._dispose(box)
                return
            self._places.append(place)
            self._make_room()
            self._change.notify_all()

    def count(self, key: str) -> int:
        """How many boxes of a kind wait here."""
        with self._change:
            return sum(place.key == key for place in self._places)

    def clear(self) -> None:
        """Give up every box that is here now. One that is being frozen at this moment is given up afterwards."""
        places = list(self._places)
        for place in places:
            place.is_given_up = True  # ends its imports
        for place in places:
            with place.settling, self._change:
                if place in self._places:
                    self._remove([place])

    def close(self) -> None:
        """Give up every box. Idempotent."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()
        with self._change:
            self._remove(list(self._places))

    def _until(self) -> float:
        return time.monotonic() + self._idle_seconds

    def _turn(self, key: str) -> _Place | None:
        """Wait for a box that is at work if that pays. None is the right to have one made. Ends with `_leave`."""
        another = self._another_seconds()
        deadline = time.monotonic() + another
        with self._change:
            kind = self._kinds.setdefault(key, AtWork())
            while (place := self._pop(key)) is None and not self._closed and kind.pays_to_wait(another):
                if (left := deadline - time.monotonic()) <= 0:
                    break
                kind.waiting += 1
                self._change.wait(left)
                kind.waiting -= 1
            kind.at_work += 1
            return place

    def _leave(self, key: str) -> None:
        with self._change:
            self._kinds[key].at_work -= 1
            self._forget(key)
            self._change.notify_all()

    def _forget(self, key: str) -> None:
        kind = self._kinds.get(key)
        if kind and not kind.at_work and not kind.waiting and all(place.key != key for place in self._places):
            del self._kinds[key]

    def _first_that_wakes(self, place: _Place | None, key: str, labels: Labels) -> Box | None:
        while place is not None:
            with place.settling:
                if self._wake(place, labels):
                    return place.box
            self._dispose(place.box)
            with self._change:
                place = self._pop(key)
        return None

    def _put(self, place: _Place) -> None:
        """It is asked to make itself ready."""
        with self._change:
            if self._closed:
                self._dispose(place.box)
                return
            try:
                place.box.renew()
            except OSError as error:  # its folder is gone
                logger.warning("box.gone box=%s error=%s", place.box.id, error)
                self._dispose(place.box)
                return
            self._places.append(place)
            self._make_room()
            self._change.notify_all()

    def _pop(self, key: str) -> _Place | None:
        place = next((each for each in reversed(self._places) if each.key == key), None)
        if place is not None:
            self._places.remove(place)
        return place

    def _make_room(self) -> None:
        """Only of those that nobody is busy with: it may be one more for a moment."""
        idle = [place for place in self._places if place.is_settled]
        self._remove(idle[: max(0, len(self._places) - self._most)])
        # What a package took stays taken while its box waits; a box that has not imported holds next to nothing.
        imported = [place for place in self._places if place.has_imported]
        held = sum(place.box.size.memory_bytes for place in imported)
        for place in [each for each in imported if each.is_settled]:
            if held <= self._most_memory:
                break
            held -= place.box.size.memory_bytes
            self._remove([place])

    def _remove(self, places: list[_Place]) -> None:
        for place in places:
            self._places.remove(place)
            self._forget(place.key)
            self._dispose(place.box)

    def _work(self, *, importing: bool) -> None:
        while (place := self._next_unsettled(importing=importing)) is not None:
            with place.settling:
                if place in self._places:
                    self._settle(place)

    def _next_unsettled(self, *, importing: bool) -> _Place | None:
        """Wait for a box that is to be frozen, after its imports or without any; see off those that were idle for too long.
        None once it is closed.
        """
        with self._change:
            while not self._closed:
                now = time.monotonic()
                self._remove([place for place in self._places if place.is_settled and place.until <= now])
                unsettled = (place for place in self._places if not place.is_settled and importing is (place.imports is not None))
                if (place := next(unsettled, None)) is not None:
                    return place
                ends = [place.until for place in self._places if place.is_settled]
                self._change.wait(min(ends) - now if ends else None)
            return None

    def _settle(self, place: _Place) -> None:
        """Freeze a box once it is ready; give up one that does not become it."""
        try:
            if self._is_renewed(place) and self._has_imported(place):
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

    def _wake(self, place: _Place, labels: Labels) -> bool:
        """Thaw a box and write down for whom it works. False for one that is of no use any more."""
        try:
            place.box.thaw()
            # Also one that has just become ready: it may have died since it said so.
            if self._is_renewed(place) and place.box.ping():
                place.box.claim(labels, name=None if place.lent_at is None else NO_LABELS)
                return True
            logger.warning("box.not_renewed box=%s", place.box.id)
        except OSError as error:  # its control group or its folder is gone
            logger.warning("box.gone box=%s error=%s", place.box.id, error)
        return False

    def _is_renewed(self, place: _Place) -> bool:
        """Wait for a box that was asked to make itself ready, and see how long its turn was."""
        if not place.box.is_renewed(RENEWAL_SECONDS):
            return False
        if place.lent_at is not None and not place.is_settled and (kind := self._kinds.get(place.key)):
            kind.turn_seconds = time.monotonic() - place.lent_at
        return True

    def _has_imported(self, place: _Place) -> bool:
        if place.imports is None:
            return True
        has_imported = place.box.import_beforehand(
            place.imports, IMPORT_SECONDS, cancelled=lambda: self._closed or place.is_given_up
        )
        if not has_imported and not place.is_given_up:
            with self._change:
                self._no_imports_until[place.key] = time.monotonic() + _PAUSE_SECONDS
        return has_imported

    def _may_import(self, key: str, box: Box) -> bool:
        """Whether imports are worth doing beforehand: not in a box for which there is no room afterwards, nor those that lately
        did not come to an end.
        """
        with self._change:
            now = time.monotonic()
            self._no_imports_until = {each: until for each, until in self._no_imports_until.items() if until > now}
            return box.size.memory_bytes <= self._most_memory and key not in self._no_imports_until
