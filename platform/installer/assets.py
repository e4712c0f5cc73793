"""What the pages load: fetched from npm by the lock file; the few files that pages really use then lie in static/vendor."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from .errors import SetupError
from .progress import Step
from .setup import Setup, digest_of, is_stamped
from .system import find_program

NODE_GROUP = "assets"  # dependency group that brings node where the machine has none
# Folder under static/vendor: the files in node_modules that go there. Whole packages would be 24 MB of unused pages and maps.
VENDORED = {
    "tabler/css": ("@tabler/core/dist/css/tabler.min.css", "@tabler/core/dist/css/tabler.min.css.map"),
    "cytoscape": ("cytoscape/dist/cytoscape.min.js",),
    "inter/files": ("@fontsource-variable/inter/files/inter-latin*-wght-normal.woff2",),
    "jetbrains-mono/files": ("@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin*-wght-normal.woff2",),
}


def needed_groups() -> tuple[str, ...]:
    """npm comes as a Python package when the machine has none: Debian's brings hundreds of packages along."""
    return () if find_program("npm") else (NODE_GROUP,)


def fetch_packages(setup: Setup, environment: Mapping[str, str], step: Step) -> None:
    """Makes node_modules agree with package-lock.json, and static/vendor with node_modules. No script of a package runs.

    Raises: SetupError
    """
    vendor = setup.checkout / "static" / "vendor"
    stamp = vendor / ".stamp"
    wanted = digest_of(setup.checkout / "package-lock.json", Path(__file__))
    if is_stamped(stamp, wanted):
        step.detail = "as locked"
        return
    npm = find_program("npm") or str(setup.tool("npm"))
    setup.shell.run(
        # node is looked for beside npm first: the two belong together.
        ["env", f"PATH={Path(npm).parent}:{environment['PATH']}", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        doing="fetching what the pages load from npm",
        directory=setup.checkout,
        environment={name: value for name, value in environment.items() if name != "PATH"},
    )
    shutil.rmtree(vendor, ignore_errors=True)
    for folder, patterns in VENDORED.items():
        copy_files(setup.checkout / "node_modules", patterns, vendor / folder)
    stamp.write_text(wanted)
    step.detail = "from package-lock.json"


def copy_files(source: Path, patterns: tuple[str, ...], target: Path) -> None:
    """Raises: SetupError when a pattern matches nothing, which a page would show only as a missing font."""
    target.mkdir(parents=True)
    for pattern in patterns:
        found = sorted(source.glob(pattern))
        if not found:
            raise SetupError(
                f"npm did not bring {pattern}.", "Compare package.json with the list in platform/installer/assets.py."
            )
        for file in found:
            shutil.copyfile(file, target / file.name)
