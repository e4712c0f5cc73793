"""Fires one hostile program at real boxes and looks at all that it may have done."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sandbox.box import Box
from sandbox.docker_driver import DockerDriver
from sandbox.hostile.control import Control, run_control
from sandbox.hostile.program import Ear, Program
from sandbox.hostile.remains import find_left_over, take_footprint
from sandbox.job import Job, Source

# The next run must end within this time, the taking of a box included: what the platform claims.
NEXT_RUN_SECONDS = 2.0
_NEXT = Job(sources=(Source("next", "def main():\n    return 'fine'\n", "main"),))

TakeBox = Callable[[], AbstractContextManager[Box]]


@dataclass(frozen=True)
class Shot:
    """One firing. `problem` says how the box did not hold, and is empty when it did."""

    program: Program
    end: str
    message: str
    problem: str
    seconds: float
    next_run_seconds: float
    left_over: tuple[str, ...]
    control: Control
    kernel: str

    @property
    def held(self) -> bool:
        """The box held, the next run worked, nothing is left, and the probe could have succeeded elsewhere."""
        return not self.problem and not self.left_over and self.control.state != "refused"

    @property
    def verdict(self) -> str:
        """Why it did not hold, in one line; empty when it did."""
        left = f"left over: {', '.join(self.left_over)}" if self.left_over else ""
        control = f"the control failed as well: {self.control.text}" if self.control.state == "refused" else ""
        return "; ".join(part for part in (self.problem, left, control) if part)


def fire(program: Program, *, driver: DockerDriver, take: TakeBox) -> Shot:
    """Fire, destroy the box, look for what is left, and have another box do an honest run.

    `take` gives boxes of `driver`, from a pool or fresh. Raises: SandboxUnavailable when there is no box to be had.
    """
    control = run_control(program)
    ear = Ear()
    with take() as box:
        footprint = take_footprint(driver, box)
        heard = ear.conclude(box.run(program.job(), on_event=ear.hear))
        box.destroy()  # now: a pool would do it in the background, some time
    left_over = find_left_over(driver, footprint)
    seconds, wrong = _do_honest_run(take)
    return Shot(
        program=program,
        end=heard.outcome.kind.value,
        message=heard.outcome.message,
        problem=program.judge(heard) or wrong,
        seconds=heard.outcome.seconds,
        next_run_seconds=seconds,
        left_over=tuple(left_over),
        control=control,
        kernel=heard.outcome.kernel,
    )


def _do_honest_run(take: TakeBox) -> tuple[float, str]:
    """How long it took, and what was wrong with it."""
    began = time.monotonic()
    with take() as box:
        outcome = box.run(_NEXT, on_event=lambda event: None)
        seconds = time.monotonic() - began
    if outcome.result != "fine":
        return seconds, f"the next run ended with {outcome.kind.value}: {outcome.message}"
    return seconds, ""
