"""The checker finds each broken promise, and excuses only what a strike explains."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.chaos import checker
from tests.chaos.history import Fault, History

RUN = UUID(int=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
STRUCK, OTHER = "host:11:1", "host:12:1"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(number: int, outcome: str, began: float, ended: float | None, worker: str = STRUCK) -> tuple[Any, ...]:
    return (RUN, number, worker, outcome, at(began), None if ended is None else at(ended))


LOST_THEN_OK = [attempt(1, "lost", 0, 5), attempt(2, "ok", 6, 7, OTHER)]
LOST = [attempt(1, "lost", 0, 5)]
OK = [attempt(1, "ok", 0, 1)]


class Held:
    """What the database holds, in place of an installation."""

    def __init__(self, attempts: list[tuple[Any, ...]], *, state: str = "succeeded", result: str | None = "7") -> None:
        claimed = attempts[-1][1] if attempts else 0
        self.answers: dict[str, list[tuple[Any, ...]]] = {
            checker.RUNS: [(RUN, state, claimed, result, "7")],
            checker.ATTEMPTS: attempts,
            checker.ENDINGS: [(RUN, f"run.{state}")],
            checker.CHUNKS: [(RUN, [1, 2])],
            checker.ARTIFACTS: [(RUN, 1)],
        }

    def rows(self, statement: str, *_: object) -> list[tuple[Any, ...]]:
        return self.answers[statement]


def judge(held: Held, *faults: Fault, retryable: bool = True) -> checker.Verdict:
    history = History()
    history.acknowledge(RUN, "key", retryable=retryable)
    history.faults.extend(faults)
    return checker.check(held, history)  # type: ignore[arg-type]


def strike(mode: str = "worker-kill", *, seconds: float = 1, holder: str = ":11:") -> Fault:
    return Fault(mode, at(seconds), holder, healed=at(seconds), hit={RUN: 1})


def test_what_went_well_and_what_a_strike_explains_is_clean() -> None:
    assert judge(Held(OK)).is_clean
    assert judge(Held(LOST_THEN_OK), strike()).is_clean
    assert judge(Held(LOST, state="lost", result=None), strike(), retryable=False).is_clean


@pytest.mark.parametrize(
    "excuse",
    [None, strike("redis-kill", holder=""), strike(holder=":13:"), strike("worker-stop", seconds=30)],
    ids=["no strike", "one that costs nothing", "against another worker", "later"],
)
def test_a_lost_attempt_needs_a_strike_that_hit_it(excuse: Fault | None) -> None:
    faults = [excuse] if excuse else []
    assert judge(Held(LOST_THEN_OK), *faults).double
    assert judge(Held(LOST, state="lost", result=None), *faults, retryable=False).lost


@pytest.mark.parametrize("state", ["queued", "lost", "failed", "cancelled"])
def test_a_run_that_may_be_tried_again_must_succeed(state: str) -> None:
    assert judge(Held(LOST, state=state, result=None), strike()).lost


def test_a_run_that_is_nowhere_or_gave_the_wrong_result_is_lost() -> None:
    nowhere = Held(OK)
    nowhere.answers[checker.RUNS] = []
    assert judge(nowhere).lost
    assert judge(Held(OK, result="8")).lost


def test_what_must_never_be_tried_twice_is_tried_once() -> None:
    assert judge(Held(LOST_THEN_OK), strike(), retryable=False).double


@pytest.mark.parametrize(
    "attempts",
    [
        [attempt(1, "ok", 0, 2), attempt(2, "ok", 6, 7)],
        [attempt(1, "ok", 0, 2), attempt(2, "", 6, None)],
        [attempt(2, "ok", 0, 2)],
    ],
    ids=["twice", "again after success", "claimed without a trace"],
)
def test_work_that_was_done_twice_is_double(attempts: list[tuple[Any, ...]]) -> None:
    assert judge(Held(attempts), strike()).double


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        (checker.ENDINGS, [(RUN, "run.succeeded"), (RUN, "run.lost")]),
        (checker.CHUNKS, [(RUN, [1, 3])]),
        (checker.ARTIFACTS, [(RUN, 2)]),
    ],
    ids=["endings", "log", "files"],
)
def test_what_was_written_twice_is_double(statement: str, rows: list[tuple[Any, ...]]) -> None:
    held = Held(OK)
    held.answers[statement] = rows
    assert judge(held).double


def test_recovery_is_counted_from_the_strike_to_the_next_attempt_in_a_box() -> None:
    history = History()
    history.faults.append(strike())
    attempts = [attempt(1, "lost", 0, 5), attempt(2, "infra", 5.5, 5.6), attempt(3, "ok", 6, 7)]
    assert checker.recoveries(Held(attempts), history) == {"worker-kill": [5.0]}  # type: ignore[arg-type]
    assert checker.recoveries(Held(OK), history) == {"worker-kill": []}  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["postgres", "docker"])
def test_recovery_from_what_nothing_begins_without_is_counted_from_its_return(mode: str) -> None:
    history = History()
    history.faults.append(Fault(mode, at(1), healed=at(4), hit={RUN: 1}))
    assert checker.recoveries(Held(LOST_THEN_OK), history) == {mode: [2.0]}  # type: ignore[arg-type]
