"""Says what of the set-up is there. Looks only: it installs, starts and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from . import docker, image, python, system
from .errors import SetupError
from .machine import check_disk, check_port, check_supported, free_bytes
from .setup import Setup
from .supervise import runs_here

Examination = Callable[[Setup], str]


def examine(setup: Setup) -> int:
    """Prints one line a thing; 1 when something is missing or wrong."""
    fine = True
    for title, look in EXAMINATIONS:
        try:
            mark, finding = "ok", look(setup)
        except SetupError as error:
            mark, finding, fine = "!!", f"{error.sentence} {error.advice}", False
        setup.progress.say(f"  {mark}  {title:<18} {finding}")
    return 0 if fine else 1


def look_at_system(setup: Setup) -> str:
    check_supported(setup.machine)
    return f"{setup.machine.name} on {setup.machine.architecture}"


def look_at_disk(setup: Setup) -> str:
    free = free_bytes(setup.home.path)
    check_disk(setup.home.path, free)
    return f"{free / 1024**3:.0f} GiB free"


def look_at_packages(_setup: Setup) -> str:
    missing = system.missing_packages((*system.CERTIFICATES, *system.ENGINES, *system.SANDBOX))
    if missing:
        raise SetupError(f"Missing: {', '.join(missing)}.", "`make run` installs them.")
    return "all there"


def look_at_python(setup: Setup) -> str:
    version = python.version_of(setup.shell, setup.tool("python"))
    if version < python.OLDEST:
        raise SetupError("There is no virtual environment yet.", "`make run` makes it.")
    return f"Python {'.'.join(map(str, version))} in {setup.venv}"


def look_at_docker(setup: Setup) -> str:
    answer = docker.ask_engine(setup)
    if answer.code == docker.TIMED_OUT:
        raise SetupError(
            f"The Docker engine does not answer within {docker.ANSWER_SECONDS} seconds.",
            "`make run` lets go on boxes that were left frozen, which is the usual reason.",
        )
    if not answer.ok:
        raise SetupError("No Docker engine answers.", "`make run` starts one.")
    if not docker.knows_runtime(setup):
        raise SetupError("The Docker engine does not know gVisor as Selfsmith needs it.", "`make run` registers it.")
    return "runs and knows gVisor"


def look_at_freezer(_setup: Setup) -> str:
    """Nothing is missing without it: boxes then wait awake, so that only one does."""
    if docker.may_freeze():
        return "frozen while they wait"
    return "cannot be frozen by this account: only one waits, and costs 25 to 50 ms of processor time a second"


def look_at_image(setup: Setup) -> str:
    if not setup.shell.attempt(["docker", "image", "inspect", image.tag()]).ok:
        raise SetupError("The box image is missing.", "`make run` makes it.")
    return image.tag()


def look_at_platform(setup: Setup) -> str:
    if runs_here(setup):
        return f"runs, data in {setup.home.path}"
    check_port(setup.port)
    return "does not run"


EXAMINATIONS: tuple[tuple[str, Examination], ...] = (
    ("system", look_at_system),
    ("disk", look_at_disk),
    ("system packages", look_at_packages),
    ("Python", look_at_python),
    ("Docker", look_at_docker),
    ("box image", look_at_image),
    ("warm boxes", look_at_freezer),
    ("Selfsmith", look_at_platform),
)
