"""All hostile programs. Names are unique and stay: results are stored under them."""

from sandbox.hostile import (
    artifacts,
    clocks,
    files,
    forgery,
    interpreter,
    leaks,
    memory,
    network,
    output,
    privileges,
    processes,
)
from sandbox.hostile.program import Program

THEMES = tuple(
    module.THEME
    for module in (
        memory, processes, clocks, output, files, artifacts, forgery, interpreter, privileges, network, leaks,
    )
)  # fmt: skip
PROGRAMS: tuple[Program, ...] = tuple(program for theme in THEMES for program in theme.programs)


def find_program(name: str) -> Program | None:
    """The program of that name, if there is one."""
    return next((program for program in PROGRAMS if program.name == name), None)
