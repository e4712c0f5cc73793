"""What every maker of boxes can do. One for Docker, one for tests; a third needs only this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.box import Box, never
from sandbox.build import BuildOutcome
from sandbox.job import BoxSize, BuildLimits

Labels = Mapping[str, str]
IsLive = Callable[[Labels], bool]
DEFAULT_SIZE = BoxSize()
DEFAULT_BUILD_LIMITS = BuildLimits()
NO_LABELS: Labels = {}


@dataclass(frozen=True)
class Health:
    """What a successful check found. `seconds`: from asking for a box to the end of a small job in it."""

    runtime: str
    kernel: str
    is_gvisor: bool
    image: str
    seconds: float


class Tie(Protocol):
    """A line to the engine that is there for being cut."""

    def wait(self) -> None:
        """Return when the engine has gone, or after `close`."""

    def close(self) -> None:
        """Have `wait`, which another thread is in, return. Idempotent."""


class Driver(Protocol):
    """Thread-safe."""

    def check(self) -> Health:
        """Try everything that a run needs, in a real box.

        Raises: SandboxUnavailable, saying what is missing and what to do. There is no falling back.
        """

    def edition(self) -> str:
        """What boxes are made of at this moment: their image and their runner. One that was made of something else should not be
        used any more.

        Raises: SandboxUnavailable.
        """

    def start(self, *, labels: Labels = NO_LABELS, size: BoxSize = DEFAULT_SIZE) -> Box:
        """A box whose runner waits for its job. Takes about half a second.

        Raises: SandboxUnavailable.
        """

    def unpack(
        self,
        *,
        wheels: Path,
        output: Path,
        labels: Labels = NO_LABELS,
        limits: BuildLimits = DEFAULT_BUILD_LIMITS,
        cancelled: Callable[[], bool] = never,
    ) -> BuildOutcome:
        """Unpack and compile all wheels of a folder, in a box of its own, each into a tree of its own in `output`, a folder
        that does not exist.

        The box sees the wheels and nothing else; this process writes the files, and seals them. What becomes of a wheel
        does not depend on those beside it. Unless the outcome is ok, `output` does not exist afterwards.

        Raises: SandboxUnavailable.
        """

    def sweep(self, is_live: IsLive) -> list[str]:
        """Remove boxes of this installation whose labels nobody vouches for, and all they left. Gives their ids.

        `is_live` gets the labels of `start` and `Box.claim` together. It is not asked about a box whose removal has failed.
        """

    def tie(self) -> Tie:
        """Learn at once when the engine goes.

        Raises: SandboxUnavailable when it does not answer.
        """

    def thaw_all(self) -> None:
        """Let every frozen box of this installation go on, whoever froze it, without asking the engine."""
