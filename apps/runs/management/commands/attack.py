"""Fires the hostile programs at this installation's boxes and prints how each ended, beside what was expected."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.runs.attacks import real_driver
from apps.runs.boxes import process_labels
from sandbox import Pool, PoolLimits, SandboxError
from sandbox.hostile import NEXT_RUN_SECONDS, PROGRAMS, ControlState, Program, Shot, find_program, fire


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", default="", help="the name of one program")

    def handle(self, *_: Any, only: str, **options: Any) -> None:
        programs = _chosen(only)
        try:
            driver = real_driver()
            self.stdout.write(f"{len(programs)} hostile programs, each in a box of {driver.image} on {driver.runtime}\n\n")
            with Pool(driver, limits=PoolLimits(minimum=2, maximum=2), labels=process_labels()) as pool:
                shots = [self._fire_and_tell(program, driver=driver, take=pool.take) for program in programs]
        except SandboxError as error:
            raise CommandError(f"There is no box to attack: {error}") from error
        self.stdout.write(f"\n{summary(shots)}")
        if broken := [shot.program.name for shot in shots if not shot.held]:
            raise CommandError(f"Not held: {', '.join(broken)}")

    def _fire_and_tell(self, program: Program, **where: Any) -> Shot:
        shot = fire(program, **where)
        self.stdout.write(line(shot))
        return shot


def line(shot: Shot) -> str:
    """One program's end in one line, and a second one when it did not hold."""
    mark = "held    " if shot.held else "NOT HELD"
    said = f"  {mark}  {shot.program.theme:<11}  {shot.program.name:<36}  {shot.end:<9}  {shot.seconds:5.1f} s"
    said += f"  next run {shot.next_run_seconds:4.2f} s{' (slow)' if shot.next_run_seconds > NEXT_RUN_SECONDS else ''}"
    said += f"  expected: {shot.program.expected}"
    if shot.control.state is not ControlState.NONE:
        said += f"  [unboxed: {shot.control.state}, {shot.control.text}]"
    return said if shot.held else f"{said}\n            {shot.verdict}"


def summary(shots: list[Shot]) -> str:
    """The last line: all that was claimed, counted."""
    controls = [shot.control.state for shot in shots if shot.control.state is not ControlState.NONE]
    reached, untried = controls.count(ControlState.REACHED), controls.count(ControlState.UNTRIED)
    prompt = sum(shot.next_run_seconds <= NEXT_RUN_SECONDS for shot in shots)
    return (
        f"{len(shots)} fired: {sum(shot.held for shot in shots)} held, {sum(not shot.held for shot in shots)} did not; "
        f"{sum(bool(shot.left_over) for shot in shots)} left something over; next run within {NEXT_RUN_SECONDS:.0f} s: {prompt}; "
        f"controls: {reached} of {len(controls)} got through unboxed, {untried} could not be tried"
    )


def _chosen(only: str) -> list[Program]:
    if not only:
        return list(PROGRAMS)
    program = find_program(only)
    if program is None:
        raise CommandError(f"There is no hostile program {only!r}. There are: {', '.join(each.name for each in PROGRAMS)}.")
    return [program]
