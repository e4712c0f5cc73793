"""What the pages load: fetched from npm by the lock file, then gathered with our own files into one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from .progress import Step
from .setup import Setup, digest_of, is_stamped

NODE_GROUP = "assets"  # dependency group that brings node where the machine has none


def needed_groups() -> tuple[str, ...]:
    """npm comes as a Python package when the machine has none: Debian's brings hundreds of packages along."""
    return () if shutil.which("npm") else (NODE_GROUP,)


def fetch_packages(setup: Setup, environment: Mapping[str, str], step: Step) -> None:
    """Makes node_modules agree with package-lock.json. No script of a package runs.

    Raises: SetupError
    """
    lock = setup.checkout / "package-lock.json"
    stamp = setup.checkout / "node_modules" / ".selfsmith-stamp"
    wanted = digest_of(lock)
    if is_stamped(stamp, wanted):
        step.detail = "as locked"
        return
    path = f"{environment['PATH']}:{os.environ.get('PATH', '')}"
    setup.shell.run(
        ["env", f"PATH={path}", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        doing="fetching what the pages load from npm",
        directory=setup.checkout,
        environment={name: value for name, value in environment.items() if name != "PATH"},
    )
    stamp.write_text(wanted)
    step.detail = "from package-lock.json"
