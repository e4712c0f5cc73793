"""Hostile programs, as data: what each tries, how it may end, and how to fire it at the boxes of an installation.

    for program in PROGRAMS:
        shot = fire(program, driver=driver, take=pool.take)
        shot.held, shot.end, shot.verdict, shot.next_run_seconds, shot.control

Each program is fired at a box of its own. Probes, which try what must be refused, carry a control: the same try without
a box, where it must succeed. Fired by the tests, by `make attack`, and from the operator's page.
"""

from sandbox.hostile.catalogue import PROGRAMS, THEMES, find_program
from sandbox.hostile.control import Control, ControlState, run_control
from sandbox.hostile.firing import NEXT_RUN_SECONDS, Shot, fire
from sandbox.hostile.program import Heard, Program

__all__ = [
    "NEXT_RUN_SECONDS",
    "PROGRAMS",
    "THEMES",
    "Control",
    "ControlState",
    "Heard",
    "Program",
    "Shot",
    "find_program",
    "fire",
    "run_control",
]
