"""System packages by apt: which are missing, and installing them without starting any of their services."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .errors import SetupError
from .machine import Machine, check_privileges
from .progress import Step
from .python import candidates, lacks_only_venv
from .setup import Setup

BACKPORTS = "deb http://deb.debian.org/debian bookworm-backports main\n"
BACKPORTS_FILE = "/etc/apt/sources.list.d/selfsmith-backports.list"
CLUSTER_RULES = "/etc/postgresql-common/createcluster.d/selfsmith.conf"
SERVICE_POLICY = "/usr/sbin/policy-rc.d"
TRUSTED_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOCK_WAIT_SECONDS = 300  # another apt may be at work, unattended-upgrades for one


def find_program(name: str) -> Optional[str]:
    """Its path, looked for in PATH and in the system's folders (an ordinary account's PATH lacks sbin)."""
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + SYSTEM_FOLDERS)


def program(name: str) -> Callable[[], bool]:
    """A question for later: is this program installed?"""
    return lambda: find_program(name) is not None


@dataclass(frozen=True)
class Package:
    """A package and how to see that it is there, whoever installed it."""

    name: str
    is_there: Callable[[], bool]


CERTIFICATES = (Package("ca-certificates", TRUSTED_CERTIFICATES.is_file),)
ENGINES = (
    Package("postgresql", lambda: bool(glob.glob("/usr/lib/postgresql/*/bin/initdb"))),
    Package("redis-server", program("redis-server")),
)
DATABASE_CLIENT = Package("postgresql-client", program("pg_dump"))
SANDBOX = (
    Package("docker.io", program("dockerd")),
    Package("iptables", program("iptables")),
    Package("debootstrap", program("debootstrap")),
    Package("runsc", program("runsc")),
)
BROWSER = (Package("chromium", program("chromium")),)


def missing_packages(packages: tuple[Package, ...]) -> list[str]:
    """Names of those that are not there."""
    return [package.name for package in packages if not package.is_there()]


def refresh_lists(setup: Setup, step: Step) -> None:
    """Reads apt's package lists when anything at all is missing, once for all that is installed afterwards.

    Raises: SetupError
    """
    missing = missing_packages((*CERTIFICATES, *engines_of(setup), *SANDBOX))
    if not missing and not wants_venv(setup):
        step.detail = "nothing is missing"
        return
    check_privileges(setup.machine, f"installing {', '.join(missing) or 'python3-venv'}")
    if "runsc" in missing and is_bookworm(setup.machine):
        add_source(setup)
    apt(setup, step, "update", "--quiet")
    step.detail = "package lists read"


def install_foundation(setup: Setup, step: Step) -> None:
    """The little that Python's packages need before they can be fetched."""
    install(setup, step, [*missing_packages(CERTIFICATES), *(["python3-venv"] if wants_venv(setup) else [])])


def wants_venv(setup: Setup) -> bool:
    """Whether the only fitting Python is Debian's without its module for virtual environments."""
    return not setup.tool("python").exists() and lacks_only_venv(setup.shell, candidates(os.environ))


def engines_of(setup: Setup) -> tuple[Package, ...]:
    """PostgreSQL and Redis as far as they are started here; of a database elsewhere, the programs that back it up."""
    ours = setup.shape.engines
    return (ENGINES[0] if "postgres" in ours else DATABASE_CLIENT, *([ENGINES[1]] if "redis" in ours else []))


def install_engines(setup: Setup, step: Step) -> None:
    """Without the services that the distribution would start for them."""
    install(setup, step, missing_packages(engines_of(setup)))


def install_sandbox(setup: Setup, step: Step) -> None:
    """Docker and gVisor. Bookworm's own runsc knows ptrace only and is slow, so there it comes from the backports.

    Raises: SetupError when the distribution has no gVisor.
    """
    wanted = missing_packages(SANDBOX)
    if find_program("docker") is None and setup.machine.distribution == "debian" and not is_bookworm(setup.machine):
        wanted.append("docker-cli")  # since Debian 13 a package of its own
    if "runsc" in wanted and is_bookworm(setup.machine):
        wanted[wanted.index("runsc")] = "runsc/bookworm-backports"
    try:
        install(setup, step, wanted)
    except SetupError as error:
        if "runsc" not in error.sentence:
            raise
        raise SetupError(
            f"{setup.machine.name} has no package of gVisor (runsc).",
            "Install it as https://gvisor.dev/docs/user_guide/install/ says and start again. Selfsmith runs no code without it.",
        ) from error


def install_browser(setup: Setup, step: Step) -> None:
    """Chromium, for the browser tests only."""
    if missing_packages(BROWSER):
        apt(setup, step, "update", "--quiet")
    install(setup, step, missing_packages(BROWSER))


def is_bookworm(machine: Machine) -> bool:
    return (machine.distribution, machine.version) == ("debian", "12")


def install(setup: Setup, step: Step, names: list[str]) -> None:
    """Installs the packages; nothing is asked of apt when there are none.

    Raises: SetupError
    """
    if not names:
        step.detail = "already there"
        return
    if "postgresql" in names:
        write_as_root(setup, CLUSTER_RULES, "create_main_cluster = false\n", mode="644")
    with services_kept_still(setup):
        apt(setup, step, "install", "--yes", "--quiet", "--no-install-recommends", *names)
    if "redis-server" in names and setup.machine.has_systemd:
        # The package's own server would start with the machine; ours runs only while Selfsmith does.
        setup.shell.run(setup.machine.as_root("systemctl", "disable", "redis-server"), doing="keeping redis-server off")
    step.detail = "installed " + ", ".join(names)


def apt(setup: Setup, step: Step, *arguments: str) -> None:
    """One call of apt-get; it is never cut off half-way."""
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_WAIT_SECONDS}", *arguments]
    setup.shell.run(
        setup.machine.as_root(*command),
        doing=f"apt-get {arguments[0]}",
        on_line=lambda line: setattr(step, "note", line),
        must_finish=True,
    )


def add_source(setup: Setup) -> None:
    """Adds the backports, unless the machine already knows them."""
    places = ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]
    if not any("bookworm-backports" in Path(place).read_text(errors="replace") for place in places if Path(place).is_file()):
        write_as_root(setup, BACKPORTS_FILE, BACKPORTS, mode="644")


@contextmanager
def services_kept_still(setup: Setup) -> Iterator[None]:
    """Packages may not start their services meanwhile. A policy that the machine has already is left as it is."""
    if Path(SERVICE_POLICY).exists():
        yield
        return
    write_as_root(
        setup,
        SERVICE_POLICY,
        "#!/bin/sh\n# Selfsmith is installing packages and starts none of their services.\nexit 101\n",
        mode="755",
    )
    try:
        yield
    finally:
        setup.shell.attempt(setup.machine.as_root("rm", "-f", SERVICE_POLICY), must_finish=True)


def write_as_root(setup: Setup, target: str, text: str, *, mode: str) -> None:
    """Puts a file of the system in place at once, so that nobody reads half of it."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as source:
        source.write(text)
        source.flush()
        setup.shell.run(setup.machine.as_root("install", "-D", "-m", mode, source.name, target), doing=f"writing {target}")
