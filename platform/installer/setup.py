"""What every step is handed: the checkout, the home, the machine, and the means to run programs and to say so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .home import Home
from .machine import Machine
from .progress import Progress
from .shape import EMBEDDED, Shape
from .shell import Shell


@dataclass(frozen=True)
class Setup:
    checkout: Path
    home: Home
    machine: Machine
    shell: Shell
    progress: Progress
    port: int
    shape: Shape = EMBEDDED

    @property
    def ports(self) -> dict[str, int]:
        """Web process → where it listens: the first at `port`, the others above it."""
        return {name: self.port + number for number, name in enumerate(self.shape.webs)}

    @property
    def venv(self) -> Path:
        return self.checkout / ".venv"

    def tool(self, name: str) -> Path:
        """A program of the virtual environment."""
        return self.venv / "bin" / name


def digest_of(*paths: Path) -> str:
    """One digest over the contents of the files, to see whether a step has to be done again."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() if path.is_file() else b"\0missing")
    return digest.hexdigest()


def is_stamped(stamp: Path, value: str) -> bool:
    """Whether the step that this stamp belongs to was finished for exactly this value."""
    return stamp.is_file() and stamp.read_text() == value
