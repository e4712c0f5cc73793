"""Runs the project's checks and tests in the prepared environment, with their output straight on the terminal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from .application import Application

SIDE_BY_SIDE = ("-n", "2")
FAST = "not gvisor and not browser and not processes and not network"
CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("formatting", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("types", ("mypy",)),
    ("types of the SDK", ("mypy", "--config-file", "sdk/pyproject.toml", "sdk/src/selfsmith")),
    ("layers", ("lint-imports",)),
    ("templates", ("djlint", "templates", "--lint", "--quiet")),
    ("migrations in step", ("python", "manage.py", "makemigrations", "--check", "--dry-run")),
)


def run_checks(application: Application) -> int:
    """Runs every check, also after one failed; 0 when all passed."""
    codes = {title: call(application, command, {"SELFSMITH_DATABASE_ROLE": "owner"}) for title, command in CHECKS}
    failed = [title for title, code in codes.items() if code]
    application.setup.progress.say(f"Checks failed: {', '.join(failed)}" if failed else "All checks passed")
    return 1 if failed else 0


def run_tests(application: Application, arguments: Sequence[str]) -> int:
    """Runs pytest; its exit code. The settings are the tests' own, the engines those that this command started."""
    return call(application, ("pytest", *SIDE_BY_SIDE, *arguments), {"DJANGO_SETTINGS_MODULE": "config.settings.test"})


def call(application: Application, command: Sequence[str], extra: dict[str, str]) -> int:
    """Runs a program of the virtual environment in front of the person who called."""
    words = [str(application.setup.tool(command[0])), *command[1:]]
    environment = {**os.environ, **application.environment, **extra}
    child = subprocess.Popen(words, cwd=application.setup.checkout, env=environment)
    try:
        return child.wait()
    except BaseException:
        child.terminate()  # a stop reaches it too when it came by a signal to the installer alone
        child.wait()
        raise
