"""Rounds of hostile programs: asked for by an operator, fired once each by a worker, whatever dies meanwhile."""

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from apps.accounts.models import User
from apps.core import leases, stopping
from apps.core.tenancy import every_workspace
from apps.runs import attacks
from apps.runs.attack_rounds import AttackRound, AttackShot
from sandbox import SandboxUnavailable
from sandbox.hostile import PROGRAMS, Control, ControlState, Program, Shot

FEW = PROGRAMS[:3]


@pytest.fixture
def chief(transactional_db: None) -> User:
    return User.objects.create_user(username="chief", email="chief@example.com", password="correct horse", is_staff=True)


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three programs in the catalogue, and nothing but notes of what would have been fired."""
    names: list[str] = []

    def note(program: Program, **_: Any) -> Shot:
        names.append(program.name)
        return Shot(program, "oom", "It ended.", "", 0.1, 0.2, (), Control(ControlState.NONE), "gVisor")

    monkeypatch.setattr(attacks, "PROGRAMS", FEW)
    monkeypatch.setattr(attacks, "real_driver", lambda: None)
    monkeypatch.setattr(attacks, "Pool", lambda *_, **__: contextlib.nullcontext(SimpleNamespace(take=None)))
    monkeypatch.setattr(attacks, "fire", note)
    return names


def only_round() -> AttackRound:
    with every_workspace(reason="a test looks"):
        return AttackRound.objects.get()


def shots() -> list[str]:
    with every_workspace(reason="a test looks"):
        return list(AttackShot.objects.order_by("id").values_list("program", flat=True))


def lose_the_lease() -> None:
    with every_workspace(reason="a test plays the clock"):
        AttackRound.objects.update(state="running", token=7, lease_until="2000-01-01T00:00Z")


def test_all_are_fired_once_and_the_round_is_over(chief: User, fired: list[str]) -> None:
    attacks.request_round(user=chief)
    assert attacks.count_due_rounds() == 1
    assert attacks.fire_next_round()
    assert not attacks.fire_next_round()
    assert fired == shots() == [program.name for program in FEW]
    assert (only_round().state, only_round().programs) == ("completed", 3)
    assert only_round().finished_at


def test_one_alone_may_be_fired(chief: User, fired: list[str]) -> None:
    attacks.request_round(user=chief, only=FEW[1].name)
    attacks.fire_next_round()
    assert fired == [FEW[1].name]


def test_who_is_no_operator_is_refused(transactional_cast: Any, fired: list[str]) -> None:
    for ask in (attacks.request_round, attacks.stop_round):
        with pytest.raises(attacks.OperatorsOnly):
            ask(user=transactional_cast.owner.user)
    assert not attacks.fire_next_round()


def test_a_program_that_does_not_exist_is_refused(chief: User) -> None:
    with pytest.raises(attacks.NoSuchProgram):
        attacks.request_round(user=chief, only="no-such")


def test_there_is_one_round_at_a_time_and_the_database_knows(chief: User) -> None:
    attacks.request_round(user=chief)
    with pytest.raises(attacks.RoundIsOpen):
        attacks.request_round(user=chief)
    with pytest.raises(IntegrityError), every_workspace(reason="a test goes round the service"):
        AttackRound.objects.create(state="running", programs=1)


def test_a_round_goes_on_where_its_worker_vanished(chief: User, fired: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    attacks.request_round(user=chief)
    honest = attacks.fire

    def die_at_the_second(program: Program, **where: Any) -> Shot:
        if program is FEW[1]:
            raise KeyboardInterrupt
        return honest(program, **where)

    monkeypatch.setattr(attacks, "fire", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        attacks.fire_next_round()
    lose_the_lease()
    assert attacks.sweep_lost_rounds() == 1
    monkeypatch.setattr(attacks, "fire", honest)
    attacks.fire_next_round()
    assert fired == shots() == [program.name for program in FEW]
    assert (only_round().state, only_round().losses) == ("completed", 1)


def test_a_round_that_is_lost_again_and_again_ends(chief: User) -> None:
    attacks.request_round(user=chief)
    for _ in range(attacks.MAX_LOSSES):
        lose_the_lease()
        attacks.sweep_lost_rounds()
    assert only_round().state == "failed"
    assert "vanished" in only_round().message


def test_a_zombie_writes_no_shot(chief: User, fired: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    attacks.request_round(user=chief)
    honest = attacks.fire

    def lose_it_meanwhile(program: Program, **where: Any) -> Shot:
        lose_the_lease()
        return honest(program, **where)

    monkeypatch.setattr(attacks, "fire", lose_it_meanwhile)
    assert attacks.fire_next_round()
    assert shots() == []
    assert only_round().state == "running"


def test_a_round_stops_after_the_program_that_it_is_at(chief: User, fired: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    attacks.request_round(user=chief)
    monkeypatch.setattr(leases.Heartbeat, "stop_requested", lambda pulse: len(fired) > 0)
    attacks.fire_next_round()
    assert (only_round().state, fired) == ("cancelled", [FEW[0].name])


def test_a_worker_that_is_stopped_in_order_hands_the_round_back(
    chief: User, fired: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    attacks.request_round(user=chief)
    monkeypatch.setattr(stopping, "is_stopping", lambda: len(fired) == 2)
    attacks.fire_next_round()
    assert (only_round().state, only_round().finished_at, len(fired)) == ("queued", None, 2)


def test_a_round_that_waits_is_stopped_at_once(chief: User, fired: list[str]) -> None:
    attacks.request_round(user=chief)
    assert attacks.stop_round(user=chief)
    assert not attacks.fire_next_round()
    assert only_round().state == "cancelled"
    assert not attacks.stop_round(user=chief)


def test_without_a_sandbox_the_round_fails_and_says_why(chief: User, fired: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise SandboxUnavailable("Docker does not answer. Is dockerd running?")

    monkeypatch.setattr(attacks, "real_driver", refuse)
    attacks.request_round(user=chief)
    attacks.fire_next_round()
    assert (only_round().state, only_round().message) == ("failed", "Docker does not answer. Is dockerd running?")


@pytest.mark.gvisor
def test_a_round_fires_at_real_boxes(chief: User) -> None:
    attacks.request_round(user=chief, only="name-of-the-host")
    assert attacks.fire_next_round()
    ((_, targets),) = [each for each in attacks.targets_by_theme() if each[0] == "leaks"]
    shot = next(target.shot for target in targets if target.program.name == "name-of-the-host")
    assert shot is not None
    assert (shot.held, shot.end, shot.control, shot.verdict) == (True, "ok", "reached", "")
    assert shot.kernel.startswith("gVisor")


@pytest.mark.gvisor
def test_the_command_tells_each_end_and_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("attack", only="name-of-the-host")
    told = capsys.readouterr().out
    assert "held      leaks        name-of-the-host" in told
    assert "1 fired: 1 held, 0 did not; 0 left something over" in told
    assert "controls: 1 of 1 got through unboxed" in told


@pytest.mark.gvisor
def test_the_command_ends_with_an_error_when_one_got_through(monkeypatch: pytest.MonkeyPatch) -> None:
    got_out: Callable[[Program, Any], str] = lambda program, heard: "it got out"  # noqa: E731 (typed)
    monkeypatch.setattr(Program, "judge", got_out)
    with pytest.raises(CommandError, match="Not held: name-of-the-host"):
        call_command("attack", only="name-of-the-host")


def test_the_command_knows_its_programs() -> None:
    with pytest.raises(CommandError, match="fork-bomb"):
        call_command("attack", only="no-such")
