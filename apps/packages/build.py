"""From checked wheels to an environment: what was not met before is unpacked and compiled in a box without network, and a
copy of all is sealed and named by its content.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from apps.core.errors import Invalid, Unavailable
from apps.packages import environments
from apps.packages.locks import Distribution, Lock
from apps.packages.trees import FOLDER, TreeStore, edition_of, remove_tree
from sandbox import BuildLimits, BuildOutcome, Driver, EnvironmentRefused, Kind, SandboxError, Tree, TreeDamaged, assemble
from sandbox.environment import remove_environment

log = logging.getLogger(__name__)
LIMITS = BuildLimits()
_BOX_TROUBLE = (Kind.INFRA, Kind.LOST, Kind.KILLED)  # says nothing about the packages
OLDEST_WORKPLACE = timedelta(hours=1)  # a build is ended after ten minutes


class NoBox(Unavailable):
    """No box can be had on this host now. Not the packages' fault: it is waited for, however long it takes."""

    code = "no_box"


class BuildInterrupted(Unavailable):
    code = "build_interrupted"


class BuildFailed(Invalid):
    """The packages cannot be unpacked into an environment."""

    code = "build_failed"


class EnvironmentDiffers(Invalid):
    """The same files came out as something else: another Python in the box image, most likely."""

    code = "environment_differs"


def build_environment(
    lock: Lock,
    wheels: Mapping[str, Path],
    *,
    driver: Driver,
    folder: Path,
    labels: Mapping[str, str],
    cancelled: Callable[[], bool],
    expected: str | None = None,
) -> str:
    """Put an environment beside the others of `folder`; returns the digest of its content.

    Only wheels that this host has not unpacked before need a box. Two workers that build the same at once both succeed:
    the second finds the folder in place and drops its own. With an `expected` digest nothing else is put in place.

    Raises: NoBox, BuildInterrupted, BuildFailed, EnvironmentDiffers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # a box may open what it knows the digest of, and cannot list the rest
    with _workplace(folder.parent / "building") as place:
        output = place / "output"
        try:
            store = TreeStore(folder.parent / FOLDER, edition_of(driver))
            digest = _Build(lock, wheels, driver, labels, cancelled, store, place).assemble(output)
        except SandboxError as problem:
            raise NoBox(f"No sandbox could be had to build the packages: {problem}") from problem
        except OSError as problem:  # a full disk, most likely
            raise BuildInterrupted(
                f"The packages could not be put together on this host: {problem.strerror or problem}."
            ) from problem
        if expected is not None and digest != expected:
            raise EnvironmentDiffers(
                "The same files, unpacked and compiled again, give another environment than the one that was used before. "
                "The box image has changed since: build the packages again on their page.",
                expected=expected,
                found=digest,
            )
        _put_in_place(output, folder / digest)
    return digest


@dataclass(frozen=True)
class _Build:
    """One build, in a workplace of its own."""

    lock: Lock
    wheels: Mapping[str, Path]
    driver: Driver
    labels: Mapping[str, str]
    cancelled: Callable[[], bool]
    store: TreeStore
    place: Path

    def assemble(self, output: Path) -> str:
        """The digest of the environment that then lies in `output`. A tree that has changed or is gone is made anew.

        Raises: BuildFailed, BuildInterrupted, SandboxUnavailable.
        """
        damaged: set[str] = set()
        while True:
            trees = self._trees()
            try:
                return assemble(self._while_wanted(trees), output, files=LIMITS.files, size=LIMITS.output_bytes)
            except TreeDamaged as problem:
                log.warning("packages.tree_damaged tree=%s problem=%s", problem.folder.name, problem)
                wheel = problem.folder.name.rpartition(".")[0]
                if wheel in damaged:
                    raise _changed_too_fast() from problem
                damaged.add(wheel)
                remove_tree(problem.folder)
            except EnvironmentRefused as problem:
                raise BuildFailed(f"The packages cannot be built: {problem}.", kind=str(Kind.ERROR)) from problem

    def _trees(self) -> list[Tree]:
        """One for each wheel, from the store or from a box, by the names of the wheels."""
        wanted = sorted(self.lock.distributions, key=lambda each: each.filename)
        found = {each.filename: self.store.find(each.sha256) for each in wanted}
        made = self._unpack([each for each in wanted if found[each.filename] is None])
        return [found[each.filename] or self.store.keep(each.sha256, made[each.filename]) for each in wanted]

    def _unpack(self, missing: list[Distribution]) -> Mapping[str, Tree]:
        if not missing:
            return {}
        place = Path(tempfile.mkdtemp(dir=self.place))
        place.chmod(0o755)
        _lay_out(missing, self.wheels, place / "wheels")
        outcome = self.driver.unpack(
            wheels=place / "wheels", output=place / "trees", labels=self.labels, limits=LIMITS, cancelled=self.cancelled
        )
        return _trees_or_reason(outcome)

    def _while_wanted(self, trees: list[Tree]) -> Iterator[Tree]:
        for tree in trees:
            if self.cancelled():
                raise BuildInterrupted("Building the packages was interrupted: Cancelled.")
            yield tree


def set_aside(place: Path) -> str:
    """Move an environment that was changed on the disk out of every box's sight; returns the name that it is kept under."""
    kept = place.parent.parent / "set-aside"
    kept.mkdir(mode=0o700, exist_ok=True)
    name = f"{place.name}.{time.time_ns()}"
    with suppress(FileNotFoundError):  # another worker found the same
        place.chmod(0o755)  # moving a folder writes to it
        place.rename(kept / name)
    return name


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A fresh folder on the file system of the environments, gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    place = Path(tempfile.mkdtemp(dir=folder))
    place.chmod(0o755)
    try:
        yield place
    finally:
        remove_environment(place)


def _remove_leftovers(folder: Path) -> None:
    """What killed workers left: older than any build may take."""
    for place in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker tidies as well
            if time.time() - place.stat().st_mtime > OLDEST_WORKPLACE.total_seconds():
                remove_environment(place)


def _lay_out(distributions: list[Distribution], wheels: Mapping[str, Path], folder: Path) -> None:
    """The wheels under their own names, which say what they are for."""
    folder.mkdir(mode=0o755)
    for distribution in distributions:
        os.link(wheels[distribution.name], folder / distribution.filename)


def _trees_or_reason(outcome: BuildOutcome) -> Mapping[str, Tree]:
    if outcome.ok:
        return outcome.trees
    if outcome.kind in _BOX_TROUBLE:
        raise BuildInterrupted(f"Building the packages was interrupted: {outcome.message}")
    raise BuildFailed(f"The packages cannot be built: {outcome.message}", kind=str(outcome.kind))


def _put_in_place(output: Path, target: Path) -> None:
    output.chmod(0o755)  # moving a folder writes to it
    for _ in range(2):
        try:
            output.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            if not environments.find_problem(target.parent, target.name):
                return  # another worker was first; equal digests are equal contents
            set_aside(target)
        else:
            target.chmod(0o555)
            return
    raise _changed_too_fast()


def _changed_too_fast() -> BuildInterrupted:
    return BuildInterrupted("Somebody changes the packages on this disk as fast as they are built.")
