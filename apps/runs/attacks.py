"""Hostile programs fired at this installation on the operator's word. A worker does it, as leased work of no workspace."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, F
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.core import leases, stopping
from apps.core.dispatch import wake
from apps.core.errors import Conflict, DomainError, Invalid
from apps.core.tenancy import every_workspace
from apps.packages import configured
from apps.runs import boxes
from apps.runs.attack_rounds import OPEN_ROUNDS, AttackRound, AttackShot, RoundState
from sandbox import DockerDriver, Pool, PoolLimits, SandboxError, SandboxUnavailable
from sandbox.hostile import PROGRAMS, THEMES, Program, Shot, find_program, fire

log = logging.getLogger(__name__)
WORK = "runs.attacks"
MAX_LOSSES = 3


class OperatorsOnly(DomainError):
    """Somebody without the operator's mark asked for the operator's work."""

    code = "operators_only"
    status = 403


class RoundIsOpen(Conflict):
    code = "attack_round_open"


class NoSuchProgram(Invalid):
    code = "no_such_program"


@contextmanager
def operators_scope() -> Iterator[None]:
    """Rounds and shots have no workspace; their transaction is the operator's."""
    with every_workspace(reason="attacks on the installation belong to no workspace"):
        yield


def request_round(*, user: User, only: str = "") -> AttackRound:
    """Have a worker fire all programs, or one.

    Raises: OperatorsOnly, NoSuchProgram, RoundIsOpen
    """
    _require_operator(user)
    if only and find_program(only) is None:
        raise NoSuchProgram(f"There is no hostile program {only!r}.")
    with operators_scope():
        if AttackRound.objects.filter(state__in=OPEN_ROUNDS).exists():
            raise RoundIsOpen("A round is being fired already. Wait for its end, or stop it.")
        asked = AttackRound.objects.create(
            state=RoundState.QUEUED, only=only, asked_by=user, programs=1 if only else len(PROGRAMS)
        )
        wake(WORK)
        return asked


def stop_round(*, user: User) -> bool:
    """Ask the worker to stop after the program that it is at; one that waits ends at once. False when none is open.

    Raises: OperatorsOnly
    """
    _require_operator(user)
    with operators_scope():
        waiting = AttackRound.objects.filter(state=RoundState.QUEUED)
        stopped = waiting.update(state=RoundState.CANCELLED, token=F("token") + 1, finished_at=Now())
        asked = AttackRound.objects.filter(state=RoundState.RUNNING).update(cancel_requested_at=Now())
        return bool(stopped + asked)


@dataclass(frozen=True)
class Target:
    """A program, and how it ended the last time that it was fired here."""

    program: Program
    shot: AttackShot | None


def newest_round() -> Any:
    """The newest round, with how many of its programs were fired (`fired`); None before the first."""
    with operators_scope():
        return AttackRound.objects.select_related("asked_by").annotate(fired=Count("shots")).order_by("-id").first()


def targets_by_theme() -> list[tuple[str, list[Target]]]:
    """Every program of the catalogue under its theme, with its last shot of whatever round."""
    with operators_scope():
        newest = {shot.program: shot for shot in AttackShot.objects.order_by("program", "-id").distinct("program")}
    return [(theme.name, [Target(each, newest.get(each.name)) for each in theme.programs]) for theme in THEMES]


def fire_next_round() -> bool:
    """Claim the round that waits and fire what it has not fired yet; False when none is due."""
    claimed = leases.claim(AttackRound.objects.all, from_state=RoundState.QUEUED, to_state=RoundState.RUNNING)
    if claimed is None:
        return False
    try:
        with leases.heartbeat(claimed) as pulse:
            state, message = _fire_all(claimed, pulse)
        with operators_scope():
            finished_at = Now() if state not in OPEN_ROUNDS else None
            leases.leave(claimed, to_state=state, message=message, finished_at=finished_at)
    except leases.LeaseLost:
        log.warning("attacks.lease_lost round=%s", claimed.pk)
    return True


def sweep_lost_rounds() -> int:
    """Rounds whose worker has vanished go on where they were, a few times."""
    with operators_scope():
        lost = [row.pk for row in leases.expired(AttackRound.objects.filter(state=RoundState.RUNNING))]
        rows = AttackRound.objects.filter(pk__in=lost)
        rows.update(losses=F("losses") + 1, leased_by="", lease_until=None)
        rows.filter(losses__gte=MAX_LOSSES).update(
            state=RoundState.FAILED, finished_at=Now(), message="The worker vanished again and again while it fired."
        )
        return rows.filter(losses__lt=MAX_LOSSES).update(state=RoundState.QUEUED, **leases.SINCE_NOW)


def count_due_rounds() -> int:
    with operators_scope():
        return leases.due(AttackRound.objects.all(), RoundState.QUEUED).count()


def real_driver() -> DockerDriver:
    """The installation's own maker of boxes.

    Raises: SandboxUnavailable when it has none of which something could be left over.
    """
    driver = configured.driver()
    if not isinstance(driver, DockerDriver):
        raise SandboxUnavailable("This installation makes no boxes that could be attacked.")
    return driver


def _fire_all(claimed: AttackRound, pulse: leases.Heartbeat) -> tuple[RoundState, str]:
    try:
        driver = real_driver()
        with Pool(driver, limits=PoolLimits(minimum=1, maximum=1), labels=boxes.process_labels()) as pool:
            for program in _left_to_fire(claimed):
                if pulse.stop_requested():
                    return RoundState.CANCELLED, "Stopped by an operator."
                if stopping.is_stopping():
                    return RoundState.QUEUED, ""  # for another worker, which goes on after what was fired
                _store(claimed, fire(program, driver=driver, take=pool.take))
    except SandboxError as error:
        return RoundState.FAILED, str(error)
    return RoundState.COMPLETED, ""


def _left_to_fire(claimed: AttackRound) -> Sequence[Program]:
    with operators_scope():
        fired = set(claimed.shots.values_list("program", flat=True))
    return [each for each in PROGRAMS if each.name not in fired and claimed.only in ("", each.name)]


def _store(claimed: AttackRound, shot: Shot) -> UUID:
    with operators_scope():
        leases.assert_held(claimed)
        stored = AttackShot.objects.create(
            round=claimed,
            program=shot.program.name,
            expected=shot.program.expected,
            end=shot.end,
            message=shot.message,
            held=shot.held,
            verdict=shot.verdict,
            seconds=shot.seconds,
            next_run_seconds=shot.next_run_seconds,
            control=shot.control.state.value,
            control_text=shot.control.text,
            kernel=shot.kernel,
        )
        return stored.pk


def _require_operator(user: User) -> None:
    if not (user.is_active and user.is_staff):
        raise OperatorsOnly("Only an operator of the installation may do this.")
