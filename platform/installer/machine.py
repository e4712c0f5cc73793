"""What this machine is, found out once, and whether Selfsmith can live on it. Asks only; changes nothing."""

from __future__ import annotations

import os
import platform as standard_platform
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError

GIB = 1024**3
NEEDED_BYTES = 3 * GIB  # virtual environment 0.7, box image 0.5 while it is built, packages 0.9, data
ARCHITECTURES = ("x86_64", "aarch64")
TRIED = {"debian": ("12", "13")}
UNTRIED = {"ubuntu": ("24.04",)}


@dataclass(frozen=True)
class Machine:
    """Facts about the machine. Tests make their own; `probe` reads the real ones."""

    system: str
    architecture: str
    distribution: str
    version: str
    is_root: bool
    has_sudo: bool
    has_systemd: bool

    def as_root(self, *command: str) -> list[str]:
        """The command as root may run it: as it is, or through sudo."""
        return list(command) if self.is_root else ["sudo", "--non-interactive", *command]

    @property
    def name(self) -> str:
        return f"{self.distribution} {self.version}".strip() or self.system

    @property
    def is_tried(self) -> bool:
        return self.version in TRIED.get(self.distribution, ())


def probe_machine() -> Machine:
    """Reads the facts of the machine that this runs on."""
    release = read_release(Path("/etc/os-release"))
    return Machine(
        system=standard_platform.system(),
        architecture=standard_platform.machine(),
        distribution=release.get("ID", ""),
        version=release.get("VERSION_ID", ""),
        is_root=os.geteuid() == 0,
        has_sudo=shutil.which("sudo") is not None,
        has_systemd=Path("/run/systemd/system").is_dir(),
    )


def read_release(path: Path) -> dict[str, str]:
    """The KEY="value" lines of os-release; nothing when there is no such file."""
    if not path.is_file():
        return {}
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def check_supported(machine: Machine) -> None:
    """Raises: SetupError on another operating system, distribution or processor."""
    advice = "Use Debian 12 or 13 (Ubuntu 24.04 should do, but is untried) on x86_64 or aarch64, in a virtual machine if need be."
    if machine.system != "Linux":
        raise SetupError(f"Selfsmith runs on Linux, and this is {machine.system}.", advice)
    if machine.architecture not in ARCHITECTURES:
        raise SetupError(f"There is no gVisor for this processor ({machine.architecture}).", advice)
    if not machine.is_tried and machine.version not in UNTRIED.get(machine.distribution, ()):
        raise SetupError(f"Selfsmith does not know how to set up {machine.name or 'this system'}.", advice)


def check_privileges(machine: Machine, reason: str) -> None:
    """Raises: SetupError when something needs root and neither root nor sudo is there. `reason` says what needs it."""
    if not machine.is_root and not machine.has_sudo:
        raise SetupError(
            f"Root is needed for {reason}, and sudo is not installed.", "Run it as root, for example `su -c 'make run'`."
        )


def check_disk(folder: Path, free_bytes: int) -> None:
    """Raises: SetupError when less than 3 GiB are free where the data will lie."""
    if free_bytes < NEEDED_BYTES:
        raise SetupError(
            f"Only {free_bytes / GIB:.1f} GiB are free on the disk of {folder}; set-up needs {NEEDED_BYTES // GIB}.",
            "Free some space, or set SELFSMITH_HOME to a folder on a larger disk.",
        )


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that holds the folder, which need not be there yet."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free


def check_port(port: int) -> None:
    """Raises: SetupError when another program listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SetupError(
                f"Port {port} is taken by another program.",
                f"Stop it (`ss -ltnp 'sport = :{port}'` names it) or take another port: SELFSMITH_PORT={port + 1} make run",
            ) from error


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chosen_port(environment: Mapping[str, str]) -> int:
    """SELFSMITH_PORT, or 8000.

    Raises: SetupError when it is no port number.
    """
    text = environment.get("SELFSMITH_PORT", "8000")
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise SetupError(f"SELFSMITH_PORT is {text!r}, which is no port.", "Give a number from 1 to 65535.")
    return int(text)


def check_sudo(machine: Machine) -> None:
    """Sets up through sudo only where it asks for no password: steps run beside each other, and none may wait for one.

    Raises: SetupError
    """
    if machine.is_root or not machine.has_sudo:
        return
    if subprocess.run(["sudo", "--non-interactive", "true"], check=False, capture_output=True).returncode != 0:
        raise SetupError("sudo wants a password, and set-up cannot stop to ask for it.", "Run it as root: `sudo make run`.")
