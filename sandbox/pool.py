"""Keeps some boxes warm, so that a run waits milliseconds for one and not half a second. Never gives one out twice."""

import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from sandbox.box import Box, never
from sandbox.demand import Demand
from sandbox.disposal import Disposal
from sandbox.driver import DEFAULT_SIZE, NO_LABELS, Driver, Labels
from sandbox.engine_watch import EngineWatch
from sandbox.errors import PoolBusy, SandboxError, SandboxUnavailable, TakeCancelled
from sandbox.job import BoxSize, Imports
from sandbox.preparing import Preparer
from sandbox.shelf import RENEWAL_SECONDS, Shelf
from sandbox.waiting_line import WaitingLine

logger = logging.getLogger(__name__)

# After a failed start the engine is asked again this much later, doubling up to the second figure. Seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# One thread starts 2.2 boxes a second on two cores, two 3.1, four only 3.5 (measured).
_REFILLERS = 2
_GLANCE_SECONDS = 0.1  # how long a cancellation may wait to be noticed
# Starting a box takes both processors of a small machine for half a second. While others wait, the one that was just taken
# comes first: most short jobs are over after so long.
_COURTESY_SECONDS = 0.15


@dataclass(frozen=True)
class PoolLimits:
    """`minimum` boxes wait always, and more up to `maximum` while there is demand; with a maximum of 0 none does.

    `age_seconds`: how long a box waits at most before another takes its place, give or take a fifth so that not all go
    together. `starts`: how many boxes are being started at a time. `wait_seconds`: how long a taker waits for its turn.
    `look_seconds`: how often it is asked whether boxes are still made of the same.

    A box that is kept for one kind of job does at most `kept_jobs`, and is given up after `kept_idle_seconds` without one;
    `kept_most` are kept at a time, and as many prepared for a kind.
    """

    minimum: int = 2
    maximum: int = 8
    age_seconds: float = 600
    starts: int = 4
    wait_seconds: float = 30
    look_seconds: float = 30
    kept_jobs: int = 50
    kept_idle_seconds: float = 60
    kept_most: int = 8


@dataclass(frozen=True)
class PoolReport:
    """`warm` of `target` boxes wait; `starting` are on their way, `waiting` takers have none yet; `kept` are for one kind.

    `waiting_for_kept` takers wait for a box of their kind that is at work.
    """

    warm: int
    target: int
    starting: int
    waiting: int
    kept: int
    waiting_for_kept: int
    can_freeze: bool


@dataclass(frozen=True)
class _Warm:
    """A box that waits."""

    box: Box
    edition: str
    until: float


class Pool:
    """Frozen boxes of one size, refilled as they are taken. Boxes of other sizes are started when asked for.

    Where this process may not freeze them, a waiting box costs processor time, so that only one waits; and none does in which
    imports were done, because what a package left running there would go on.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        limits: PoolLimits | None = None,
        size: BoxSize = DEFAULT_SIZE,
        labels: Labels = NO_LABELS,
    ) -> None:
        self._driver, self._limits, self._size, self._labels = driver, limits or PoolLimits(), size, labels
        self._warm: deque[_Warm] = deque()
        self._line = WaitingLine()
        self._demand = Demand(min(self._limits.minimum, self._limits.maximum), self._limits.maximum)
        self._disposal = Disposal()
        self._shelf = Shelf(
            idle_seconds=self._limits.kept_idle_seconds,
            most=self._limits.kept_most,
            dispose=self._disposal.put,
            another_seconds=lambda: self._demand.refill_seconds,
        )
        self._change = threading.Condition()
        self._closed = self._is_engine_away = False
        self._can_freeze = True
        self._starting = self._refilling = 0
        self._courtesy_until = 0.0
        self._pause, self._not_before, self._look_at = _FIRST_PAUSE, 0.0, time.monotonic() + self._limits.look_seconds
        self._preparer = Preparer(
            obtain=self._obtain_spare,
            stock=self._shelf.stock,
            count=self._shelf.count,
            dispose=self._disposal.put,
            idle_seconds=self._limits.kept_idle_seconds,
            most=self._limits.kept_most,
        )
        self._threads = [threading.Thread(target=self._refill, name=f"box-refill-{n}", daemon=True) for n in range(_REFILLERS)]
        for thread in self._threads:
            thread.start()
        self._watch = EngineWatch(driver, on_away=self._give_up_waiting, on_back=self._begin_anew)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextlib.contextmanager
    def take(
        self,
        *,
        labels: Labels = NO_LABELS,
        size: BoxSize | None = None,
        lane: str = "",
        kind: str | None = None,
        keeps: bool = True,
        imports: Imports | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Iterator[Box]:
        """A box for one job, thawed and answering; removed afterwards. Started afresh when none is warm.

        Takers who must wait are served by turns between their lanes. With a `kind` (Job.kind) the box is one that did
        nothing but jobs of this kind, and is kept for the next unless its job did not end by itself; with `keeps` false each
        has one job. With `imports` the next one for this kind has done them when its job comes.

        Raises: SandboxUnavailable, PoolBusy after `wait_seconds`, TakeCancelled, SandboxError after `close`.
        """
        wanted = size or self._size
        imports = imports if self._can_freeze else None
        if kind is not None:
            obtain = partial(self._obtain_kept, kind) if keeps else self._obtain
            make, may_keep = partial(obtain, labels, wanted, lane, cancelled), self._may_be_kept if keeps else _is_never_kept
            with self._shelf.lend(kind, labels, make=make, may_keep=may_keep, imports=imports) as box:
                if imports is not None and not keeps:
                    self._preparer.expect(kind, wanted, imports)
                yield box
            return
        box = self._obtain(labels, wanted, lane, cancelled)
        try:
            yield box
        finally:
            self._disposal.put(box)

    def report(self) -> PoolReport:
        """How things are now."""
        with self._change:
            return PoolReport(
                warm=len(self._warm),
                target=self._target(),
                starting=self._starting,
                waiting=len(self._line),
                kept=len(self._shelf),
                waiting_for_kept=self._shelf.waiting,
                can_freeze=self._can_freeze,
            )

    def wait_until_warm(self, seconds: float) -> bool:
        """Wait for as many boxes as should be warm. Gives whether they are."""
        with self._change:
            return self._change.wait_for(lambda: len(self._warm) >= self._target() or self._closed, seconds)

    def close(self) -> None:
        """Remove every box that waits and start no more. Boxes that were taken belong to their takers. Idempotent."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._watch.close()
        for thread in self._threads:
            thread.join()
        self._preparer.close()
        self._shelf.close()
        while self._warm:
            self._disposal.put(self._warm.pop().box)
        self._disposal.close()

    def _may_be_kept(self, box: Box) -> bool:
        return box.may_be_renewed and box.jobs_done < self._limits.kept_jobs and not self._is_engine_away

    def _give_up_waiting(self) -> None:
        """The engine has gone, and when it is back it ends what ran: no box that waits is worth anything."""
        with self._change:
            self._is_engine_away = True
            self._retire(lambda warm: True)
        self._shelf.clear()

    def _begin_anew(self) -> None:
        """The engine is back: refill at once, however often that failed meanwhile."""
        with self._change:
            self._is_engine_away = False
            self._pause, self._not_before = _FIRST_PAUSE, 0.0
            self._change.notify_all()

    def _obtain(self, labels: Labels, size: BoxSize, lane: str, cancelled: Callable[[], bool]) -> Box:
        deadline = time.monotonic() + self._limits.wait_seconds
        while (box := self._wait_for_turn(size, lane, cancelled, deadline)) is not None:
            if _wake(box, labels):
                return box
            self._disposal.put(box)
        try:
            return self._make({**self._labels, **labels}, size)
        finally:
            self._started()

    def _obtain_spare(self, size: BoxSize) -> Box:
        """One that no job waits for: whoever waits for a box comes first, however many follow each other."""
        with self._change:
            self._change.wait_for(lambda: not self._line or self._closed)
        return self._obtain(NO_LABELS, size, "", lambda: self._closed)

    def _make(self, labels: Labels, size: BoxSize) -> Box:
        """Another box; how long it took counts for how many should wait, and for how long it pays to wait for one."""
        began = time.monotonic()
        box = self._driver.start(labels=labels, size=size)
        with self._change:
            self._demand.refilled(time.monotonic() - began)
        return box

    def _obtain_kept(self, kind: str, labels: Labels, size: BoxSize, lane: str, cancelled: Callable[[], bool]) -> Box:
        """One that will be kept. The engine's own labels say nothing of a run: they could not be changed."""
        box = self._obtain(NO_LABELS, size, lane, cancelled)
        try:
            box.renew()
            if not box.is_renewed(RENEWAL_SECONDS):
                raise SandboxUnavailable("A box could not be made ready for being kept.")
            box.claim(labels, name={"kept": kind[:12], "box": box.id[:8]})
        except BaseException:
            self._disposal.put(box)
            raise
        return box

    def _wait_for_turn(self, size: BoxSize, lane: str, cancelled: Callable[[], bool], deadline: float) -> Box | None:
        """A warm box, or None for the right to start one, which ends with `_started`."""
        with self._change:
            self._demand.arrived()
            ticket = self._line.join(lane, takes_warm=size == self._size)
            served = False
            try:
                while not self._closed:
                    if ticket.takes_warm and self._warm and self._line.is_next(ticket, for_warm=True):
                        served = True
                        return self._give_out()
                    if self._starting < self._limits.starts and self._line.is_next(ticket):
                        served = True
                        self._starting += 1
                        return None
                    if cancelled():
                        raise TakeCancelled("Cancelled while it waited for a box.")
                    if (left := deadline - time.monotonic()) <= 0:
                        raise PoolBusy(f"No box was free within {self._limits.wait_seconds:g} seconds.")
                    self._change.wait(min(left, _GLANCE_SECONDS))
                raise SandboxError("The pool is closed.")
            finally:
                self._line.leave(ticket, served=served)
                self._change.notify_all()

    def _give_out(self) -> Box:
        """Takers that follow closely share one courtesy: else steady demand would put refilling off for good."""
        now = time.monotonic()
        if self._courtesy_until <= now:
            self._courtesy_until = now + _COURTESY_SECONDS
        return self._warm.popleft().box

    def _started(self) -> None:
        with self._change:
            self._starting -= 1
            self._change.notify_all()

    def _target(self) -> int:
        return self._demand.target if self._can_freeze else min(1, self._demand.target)

    def _refill(self) -> None:
        while (task := self._next_task()) is not None:
            try:
                task()
            except (SandboxError, OSError) as error:
                logger.error("box.not_warmed error=%s", error)
                with self._change:
                    self._not_before = time.monotonic() + self._pause
                    self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _next_task(self) -> Callable[[], None] | None:
        """Wait for something to do; None once the pool is closed."""
        with self._change:
            while not self._closed:
                now = time.monotonic()
                self._retire(lambda warm: warm.until <= now)  # noqa: B023 (called at once)
                if self._is_engine_away:
                    self._change.wait()
                    continue
                if now >= self._look_at:
                    self._look_at = now + self._limits.look_seconds
                    return self._compare_editions
                if now >= self._due_at() and self._has_room():
                    self._refilling += 1
                    self._starting += 1
                    return self._warm_one
                self._change.wait(self._seconds_to_next_event(now))
            return None

    def _has_room(self) -> bool:
        """Whoever waits for a box comes first."""
        is_wanted = len(self._warm) + self._refilling < self._target()
        return is_wanted and not self._line and self._starting < self._limits.starts

    def _due_at(self) -> float:
        """When the next box may be started, if there is room for one."""
        return max(self._not_before, self._courtesy_until) if self._warm else self._not_before

    def _seconds_to_next_event(self, now: float) -> float:
        events = [self._look_at, *(warm.until for warm in self._warm)]
        if now < self._due_at():
            events.append(self._due_at())
        return max(0.0, min(events) - now)

    def _warm_one(self) -> None:
        try:
            edition = self._driver.edition()
            box = self._make(self._labels, self._size)
            try:
                can_freeze = box.freeze()
            except BaseException:
                self._disposal.put(box)
                raise
            age = self._limits.age_seconds * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)
            with self._change:
                self._can_freeze = can_freeze
                self._warm.append(_Warm(box, edition, time.monotonic() + age))
                self._pause = _FIRST_PAUSE
        finally:
            with self._change:
                self._refilling -= 1
            self._started()

    def _compare_editions(self) -> None:
        edition = self._driver.edition()
        with self._change:
            self._retire(lambda warm: warm.edition != edition)

    def _retire(self, is_over: Callable[[_Warm], bool]) -> None:
        for warm in [each for each in self._warm if is_over(each)]:
            self._warm.remove(warm)
            self._disposal.put(warm.box)


def _is_never_kept(_box: Box) -> bool:
    return False


def _wake(box: Box, labels: Labels) -> bool:
    """Thaw a box and write down for whom it works. False for one that is of no use any more."""
    try:
        box.thaw()
        if box.ping():
            box.claim(labels)
            return True
        logger.warning("box.silent box=%s", box.id)
    except OSError as error:  # its control group or its folder is gone
        logger.warning("box.gone box=%s error=%s", box.id, error)
    return False
