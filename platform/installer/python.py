"""Finds a Python that is new enough and makes the virtual environment from the lock file. Uses uv of the pinned version only."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .errors import SetupError
from .progress import Step
from .setup import Setup, digest_of, is_stamped
from .shell import Shell

OLDEST = (3, 12)
WANTED = "3.13"
ADVICE = "Install one, for example by `pyenv install 3.13` or from Debian 13's `python3`, and start again."
SAY_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True)
class PinnedUv:
    """The version of uv that the lock file names, with the hashes of its files."""

    version: str
    hashes: tuple[str, ...]

    @property
    def requirement(self) -> str:
        return " ".join([f"uv=={self.version}", *(f"--hash={one}" for one in self.hashes)]) + "\n"


def prepare_environment(setup: Setup, step: Step, *, groups: tuple[str, ...]) -> None:
    """Makes `.venv` agree with the lock file; does nothing when it did at the last start.

    `groups` are dependency groups beyond what the platform itself needs. What an earlier start installed besides stays.

    Raises: SetupError
    """
    lock = setup.checkout / "uv.lock"
    stamp = setup.venv / "selfsmith-stamp"
    wanted = " ".join([digest_of(lock, setup.checkout / "pyproject.toml"), *groups])
    if is_stamped(stamp, wanted) and version_of(setup.shell, setup.tool("python")) >= OLDEST:
        step.detail = "as locked"
        return
    uv = read_pinned_uv(lock.read_text(encoding="utf-8"))
    if version_of(setup.shell, setup.tool("python")) < OLDEST:
        step.note = "virtual environment"
        make_venv(setup, uv)
    step.note = f"uv {uv.version}"
    install_uv(setup, setup.venv, uv)
    step.note = "packages"
    arguments = [word for group in groups for word in ("--group", group)]
    setup.shell.run(
        [setup.tool("uv"), "sync", "--frozen", "--inexact", "--no-default-groups", *arguments],
        doing="installing the locked Python packages",
        directory=setup.checkout,
        environment={"UV_PROJECT_ENVIRONMENT": str(setup.venv), "VIRTUAL_ENV": str(setup.venv)},
        on_line=lambda line: setattr(step, "note", line),
    )
    stamp.write_text(wanted)
    step.detail = f"Python {'.'.join(map(str, version_of(setup.shell, setup.tool('python'))))}, packages from uv.lock"


def make_venv(setup: Setup, uv: PinnedUv) -> None:
    """Makes an empty environment; a broken or old one that lies there gives way."""
    found = find_python(setup.shell, candidates(os.environ)) or download_python(setup, uv)
    setup.shell.run([found, "-m", "venv", "--clear", setup.venv], doing="making the virtual environment")


def candidates(environment: Mapping[str, str]) -> Iterable[str]:
    """Where a Python may be, best first. pyenv's shims on PATH answer with 127, hence its versions are looked at as well."""
    for name in ("python3.13", "python3.14", "python3.12", "python3"):
        for folder in environment.get("PATH", "").split(os.pathsep):
            found = shutil.which(name, path=folder)
            if found:
                yield found
    roots = [environment.get("PYENV_ROOT", ""), os.path.expanduser("~/.pyenv")]
    if environment.get("SUDO_USER"):
        roots.append(os.path.expanduser(f"~{environment['SUDO_USER']}/.pyenv"))
    for root in filter(None, roots):
        for version in (WANTED, "3.14", "3.12"):
            yield from map(str, sorted(Path(root).glob(f"versions/{version}*/bin/python"), reverse=True))


def find_python(shell: Shell, places: Iterable[str]) -> Optional[str]:
    """The first that really runs, is new enough and can make virtual environments."""
    return next((place for place in places if version_of(shell, place) >= OLDEST and has_venv(shell, place)), None)


def version_of(shell: Shell, python: object) -> tuple[int, ...]:
    """Its version, by running it; (0,) when it does not run."""
    result = shell.attempt([str(python), "-c", SAY_VERSION])
    return tuple(map(int, result.last_line.split("."))) if result.ok else (0,)


def has_venv(shell: Shell, python: str) -> bool:
    """Debian ships Python without ensurepip until python3-venv is installed."""
    return shell.attempt([python, "-c", "import ensurepip, venv"]).ok


def lacks_only_venv(shell: Shell, places: Iterable[str], has: Callable[[Shell, str], bool] = has_venv) -> bool:
    """Whether a Python is new enough, but each such one wants Debian's python3-venv first."""
    fitting = [place for place in places if version_of(shell, place) >= OLDEST]
    return bool(fitting) and not any(has(shell, place) for place in fitting)


def download_python(setup: Setup, uv: PinnedUv) -> str:
    """Fetches a Python by uv, for systems that have none (Debian 12 has 3.11).

    Raises: SetupError when that cannot be had either, naming both ways that were tried.
    """
    nothing = f"No Python {'.'.join(map(str, OLDEST))} or newer was found"
    system = shutil.which("python3", path="/usr/bin") or ""
    if not system or not has_venv(setup.shell, system):
        raise SetupError(f"{nothing} (looked on PATH and in pyenv's versions).", ADVICE)
    target = setup.home.path / "python"
    with tempfile.TemporaryDirectory() as folder:
        setup.shell.run([system, "-m", "venv", folder], doing="making a place for uv")
        install_uv(setup, Path(folder), uv)
        uv_program = Path(folder) / "bin" / "uv"
        result = setup.shell.attempt([uv_program, "--no-config", "python", "install", WANTED, "--install-dir", target])
    found = find_python(setup.shell, map(str, target.glob("*/bin/python3")))
    if not result.ok or found is None:
        raise SetupError(f"{nothing}, and it could not be downloaded (uv: {result.last_line}).", ADVICE)
    return found


def read_pinned_uv(lock: str) -> PinnedUv:
    """Reads uv's own entry in uv.lock. By pattern, since tomllib is newer than the Python that may run this.

    Raises: SetupError when the lock file does not name uv.
    """
    entry = re.search(r'^name = "uv"\nversion = "([^"]+)"\n(.*?)(?=^\[\[package\]\]|\Z)', lock, re.MULTILINE | re.DOTALL)
    if entry is None:
        raise SetupError("uv.lock does not name uv.", "Restore the file: `git checkout uv.lock`.")
    return PinnedUv(entry[1], tuple(re.findall(r'hash = "(sha256:[0-9a-f]{64})"', entry[2])))


def install_uv(setup: Setup, environment: Path, uv: PinnedUv) -> None:
    """Puts the pinned uv into an environment by pip, checked against the hashes in the lock file."""
    if setup.shell.attempt([environment / "bin" / "uv", "--version"]).output.split()[1:2] == [uv.version]:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(uv.requirement)
        requirements.flush()
        setup.shell.run(
            [
                environment / "bin" / "python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--require-hashes",
                "--no-deps",
                "-r",
                requirements.name,
            ],
            doing="installing uv",
            environment={"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
