"""A command ends what it started and nothing else."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from installer.errors import SetupError
from installer.home import lock_home, make_home
from installer.setup import Setup
from installer.shape import EMBEDDED
from installer.shell import Shell
from installer.stack import STOP_SIGNALS, Stack
from installer.supervise import Program, Supervisor

from .conftest import ScriptedShell, start_sleeper

OURS = EMBEDDED.names


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_second_start_leaves_the_first_alone(make_setup: Callable[..., Setup]) -> None:
    shell = ScriptedShell()
    setup = make_setup(shell=shell)
    make_home(setup.home)
    with lock_home(setup.home):
        with pytest.raises(SetupError, match="already runs"), Stack(setup) as stack:
            stack.prepare_home()
        assert not any("docker" in line for line in shell.asked)


@pytest.mark.processes
def test_a_second_start_does_not_stop_the_programs_of_the_first(supervisor: Supervisor) -> None:
    """Both would reach the same supervisord, since its socket lies in the home."""
    start_sleeper(supervisor)
    with Stack(supervisor.setup):
        pass
    assert supervisor.control.state("sleeper") == "RUNNING"


@pytest.mark.processes
def test_an_end_removes_the_containers_of_this_installation_and_stops_its_programs(
    make_setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = make_setup(shell=Shell())
    make_home(setup.home)
    removed: list[Setup] = []
    monkeypatch.setattr("installer.docker.remove_containers", removed.append)
    monkeypatch.setattr(Setup, "tool", lambda self, name: Path(sys.executable).parent / name)
    with Stack(setup) as stack:
        stack.supervisor.launch([Program(name, ["sleep", "600"], 10) for name in OURS], {})
        stack.supervisor.start(*OURS)
        stack.supervisor.wait_until_up(*OURS)
    assert not stack.supervisor.is_alive()
    assert removed == [setup]
