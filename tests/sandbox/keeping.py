"""What tests of kept boxes share: jobs that may share one, and boxes that are kept."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox import Box, Driver, Job, Kind, Limits, Outcome, Pool, PoolLimits, Source


def job_of(text: str, *, limits: Limits | None = None, **more: Any) -> Job:
    given: dict[str, Any] = {"limits": limits or Limits(wall_seconds=20), "shares_box": True, **more}
    return Job(sources=(Source("main", textwrap.dedent(text), "main"),), **given)


def do(box: Box, text: str, **more: Any) -> Outcome:
    """One job in a box that is ready."""
    return box.run(job_of(text, **more), on_event=lambda event: None)


@contextmanager
def kept(driver: Driver) -> Iterator[Box]:
    with driver.start() as box:
        box.renew()
        assert box.is_renewed(20)
        yield box


def renew(box: Box) -> None:
    box.renew()
    assert box.is_renewed(20)


def after(driver: Driver, text: str, then: str, **more: Any) -> Outcome:
    """What a second job says after a first one in the same box, both of which must end by themselves."""
    with kept(driver) as box:
        first = do(box, text, **more)
        assert first.kind in (Kind.OK, Kind.ERROR), first
        renew(box)
        second = do(box, then, **more)
        assert second.ok, second
        return second


@contextmanager
def pool_of(driver: Driver, **limits: float) -> Iterator[Pool]:
    given: dict[str, Any] = {"minimum": 0, "maximum": 0, **limits}
    with Pool(driver, limits=PoolLimits(**given), labels={"process": "p"}) as pool:
        yield pool


def run_kind(pool: Pool, kind: str, text: str = "def main():\n    return 1", **limits: Any) -> tuple[str, Outcome]:
    job = job_of(text, limits=Limits(wall_seconds=20, **limits))
    with pool.take(kind=kind, labels={"run": "r"}) as box:
        return box.id, box.run(job, on_event=lambda event: None)
