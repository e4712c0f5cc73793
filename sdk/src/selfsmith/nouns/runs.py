"""Runs: look, wait, read and follow the log, cancel."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from selfsmith.errors import RunFailed, Unreachable, WaitsForPeople, WaitTimedOut
from selfsmith.models import AWAITING_APPROVAL, LogPiece, Run, RunDetail
from selfsmith.nouns.base import Id, Noun, read, segment

FIRST_LOOK, LONGEST_LOOK, LOOK_GROWTH = 0.1, 2.0, 1.5  # seconds between two looks at a run, and how they grow
LOG_SLICE = 1000  # pieces that the platform gives at once
PATIENCE = 300.0  # seconds that a follower goes on trying while the platform cannot be reached

type Heard = Callable[[Run], None]


class Pauses:
    """Between two looks: short at first, longer while nothing happens."""

    def __init__(self) -> None:
        self._next = FIRST_LOOK

    def wait(self, at_most: float = LONGEST_LOOK) -> None:
        time.sleep(max(0.0, min(self._next, at_most)))
        self._next = min(self._next * LOOK_GROWTH, LONGEST_LOOK)

    def begin_again(self) -> None:
        self._next = FIRST_LOOK


class Runs(Noun):
    def list(self, *, state: str = "", limit: int | None = None) -> Iterator[Run]:
        """Newest first, all pages."""
        return self._pages(Run, "/runs", state=state, limit=limit)

    def get(self, run_id: Id) -> RunDetail:
        return read(RunDetail, self._transport.get(f"/runs/{segment(run_id)}"))

    def cancel(self, run_id: Id) -> Run:
        return read(Run, self._transport.json("POST", f"/runs/{segment(run_id)}/cancel", repeatable=True))

    def wait(self, run_id: Id, *, timeout: float | None = None, heard: Heard | None = None) -> RunDetail:
        """The run when it has ended, in whatever way. Waits also for people, where they have to decide first.

        Args:
            timeout: seconds; without it there is no end to the waiting but the run's.
            heard: is called with the run after each look.

        Raises: WaitTimedOut
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pauses = Pauses()
        while (run := self.get(run_id)).is_open:
            if heard is not None:
                heard(run)
            left = LONGEST_LOOK if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitTimedOut(f"The run {run.id} of {run.function} has not ended in {timeout:g} s: it is {run.state}.")
            pauses.wait(left)
        return run

    def result(self, run_id: Id, *, timeout: float | None = None) -> Any:
        """What the run gives back, when it has ended well.

        Raises: RunFailed, WaitsForPeople, WaitTimedOut
        """

        def refuse_to_wait(run: Run) -> None:
            if run.state == AWAITING_APPROVAL:
                raise WaitsForPeople(run)

        return result_of(self.wait(run_id, timeout=timeout, heard=refuse_to_wait))

    def log(self, run_id: Id, *, after: int = 0) -> Iterator[LogPiece]:
        """What has been said until now, after a place in the log."""
        path = f"/runs/{segment(run_id)}/log"
        while pieces := self._transport.get(path, after=after):
            found = [read(LogPiece, piece) for piece in pieces]
            yield from found
            after = found[-1].seq
            if len(found) < LOG_SLICE:
                return

    def follow(
        self,
        run_id: Id,
        *,
        after: int = 0,
        heard: Heard | None = None,
        timeout: float | None = None,
        patience: float = PATIENCE,
    ) -> Iterator[LogPiece]:
        """All that is said, until the run has ended. Goes on where it was when the platform was away for a while.

        Args:
            timeout: seconds; without it there is no end to the following but the run's.
            patience: seconds for which the platform may be away.

        Raises: WaitTimedOut; Unreachable, when it was away for longer
        """
        pauses, answered_at = Pauses(), time.monotonic()
        deadline = None if timeout is None else answered_at + timeout
        while True:
            try:
                run = self.get(run_id)  # before the log: what was said until the end is then read too
                if heard is not None:
                    heard(run)
                for piece in self.log(run_id, after=after):
                    after = piece.seq
                    pauses.begin_again()
                    yield piece
                answered_at = time.monotonic()
            except Unreachable:
                if time.monotonic() - answered_at > patience:
                    raise
            else:
                if not run.is_open:
                    return
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimedOut(f"The run {run_id} has not ended in {timeout:g} s. It goes on.")
            pauses.wait()


def result_of(run: Run) -> Any:
    """What a run that has ended gives back.

    Raises: RunFailed
    """
    if not run.has_succeeded:
        raise RunFailed(run)
    return run.result
