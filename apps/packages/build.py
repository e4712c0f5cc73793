"""From checked wheels to an environment: unpacked and compiled in a box without network, sealed, named by its content."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from apps.core.errors import Invalid, Unavailable
from apps.packages import environments
from apps.packages.locks import Lock
from sandbox import BuildOutcome, Driver, Kind, SandboxError
from sandbox.environment import remove_environment

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
    """Build in a box, and put the result beside the other environments of `folder`; returns the digest of its content.

    Two workers that build the same at once both succeed: the second finds the folder in place and drops its own. With an
    `expected` digest nothing else is put in place.

    Raises: NoBox, BuildInterrupted, BuildFailed, EnvironmentDiffers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # a box may open what it knows the digest of, and cannot list the rest
    with _workplace(folder.parent / "building") as place:
        _lay_out(lock, wheels, place / "wheels")
        output = place / "output"
        try:
            outcome = driver.build_environment(wheels=place / "wheels", output=output, labels=labels, cancelled=cancelled)
        except SandboxError as problem:
            raise NoBox(f"No sandbox could be had to build the packages: {problem}") from problem
        digest = _digest_or_reason(outcome)
        if expected is not None and digest != expected:
            raise EnvironmentDiffers(
                "The same files, unpacked and compiled again, give another environment than the one that was used before. "
                "The box image has changed since: build the packages again on their page.",
                expected=expected,
                found=digest,
            )
        _put_in_place(output, folder / digest)
    return digest


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
        remove_environment(place / "output")
        shutil.rmtree(place)


def _remove_leftovers(folder: Path) -> None:
    """What killed workers left: older than any build may take."""
    for place in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker tidies as well
            if time.time() - place.stat().st_mtime > OLDEST_WORKPLACE.total_seconds():
                remove_environment(place / "output")
                shutil.rmtree(place)


def _lay_out(lock: Lock, wheels: Mapping[str, Path], folder: Path) -> None:
    """The wheels under their own names, which say what they are for."""
    folder.mkdir(mode=0o755)
    for distribution in lock.distributions:
        os.link(wheels[distribution.name], folder / distribution.filename)


def _digest_or_reason(outcome: BuildOutcome) -> str:
    if outcome.ok and outcome.digest:
        return outcome.digest
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
    raise BuildInterrupted("Somebody changes the packages on this disk as fast as they are built.")
