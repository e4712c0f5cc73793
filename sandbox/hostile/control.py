"""The same probe without a box: one that can succeed nowhere shows nothing. Harmless by construction.

A control reads, writes into the temporary folder that it is started in, or calls the kernel with arguments that the
kernel refuses to act on. It never gets what a caller of the platform wrote: its text is part of this library.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum

from sandbox.hostile.program import REACHED, Program

_SECONDS = 20
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_TAIL = "\nimport json\nprint(json.dumps(control()))\n"


class ControlState(StrEnum):
    """`none`: the program is no probe, its end speaks for itself."""

    NONE = "none"
    REACHED = "reached"
    REFUSED = "refused"
    UNTRIED = "untried"


@dataclass(frozen=True)
class Control:
    """What the probe came to without a box."""

    state: ControlState
    text: str = ""

    @property
    def shows_something(self) -> bool:
        """Whether the probe's end in the box says anything, or nothing was asked of a control."""
        return self.state in (ControlState.NONE, ControlState.REACHED)


def run_control(program: Program) -> Control:
    """Try the probe here, in a process and a folder of its own."""
    if not program.is_probe:
        return Control(ControlState.NONE)
    if program.control_needs_root and os.geteuid() != 0:
        return Control(ControlState.UNTRIED, "only root could do this here")
    with tempfile.TemporaryDirectory(prefix="selfsmith-control-") as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-c", program.source + _TAIL],
                cwd=folder,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Control(ControlState.UNTRIED, f"it did not end within {_SECONDS} seconds")
    return _read(ended)


def _read(ended: "subprocess.CompletedProcess[bytes]") -> Control:
    try:
        said: dict[str, str] = json.loads(ended.stdout)
    except ValueError:
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return Control(ControlState.UNTRIED, last[0][:200])
    refused = [f"{name}: {end}" for name, end in said.items() if end != REACHED]
    if refused or not said:
        return Control(ControlState.REFUSED, ", ".join(refused)[:200] or "it tried nothing")
    return Control(ControlState.REACHED, f"{len(said)} of {len(said)} got through")
