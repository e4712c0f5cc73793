"""supervisord keeps programs running, says why one does not, and takes all of them with it."""

import configparser
import os
import signal
import time
import xmlrpc.client
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from installer.control import Control
from installer.errors import SetupError
from installer.setup import Setup
from installer.supervise import Program, Supervisor, configuration, runs_here
from tests.waiting import wait_for

from .conftest import is_running, pid_of, start_sleeper

pytestmark = pytest.mark.processes


def test_a_program_that_is_killed_is_started_again(supervisor: Supervisor) -> None:
    first = start_sleeper(supervisor)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: pid_of(supervisor) != first)
    supervisor.wait_until_up("sleeper")


def test_a_program_that_dies_at_once_is_reported_with_its_last_words(supervisor: Supervisor) -> None:
    supervisor.start("broken")
    started = time.monotonic()
    with pytest.raises(SetupError, match="broken did not start: cannot find the moon"):
        supervisor.wait_until_up("broken")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(("word", "is_fine"), [("SPAWN_ERROR", True), ("ALREADY_STARTED", True), ("BAD_NAME", False)])
def test_a_start_that_supervisord_saw_fail_is_told_by_the_state_of_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, *, is_fine: bool
) -> None:
    def refuse(*_: object) -> None:
        raise xmlrpc.client.Fault(50, f"{word}: broken")

    monkeypatch.setattr(xmlrpc.client.ServerProxy, "__getattr__", lambda *_: SimpleNamespace(startProcess=refuse))
    with nullcontext() if is_fine else pytest.raises(xmlrpc.client.Fault):
        Control(tmp_path / "socket").start("broken")


def test_a_program_is_restarted_also_by_a_command_that_did_not_start_its_supervisor(supervisor: Supervisor) -> None:
    first = start_sleeper(supervisor)
    another = Supervisor(supervisor.setup)
    another.restart("sleeper")
    assert not is_running(first)
    wait_for(lambda: pid_of(supervisor) != first)
    with pytest.raises(SetupError, match="broken did not start: cannot find the moon"):
        another.restart("broken")


def test_stopping_leaves_nothing(supervisor: Supervisor) -> None:
    pid = start_sleeper(supervisor)
    supervisor.stop()
    assert not is_running(pid)


def test_programs_do_not_outlive_a_killed_supervisor(supervisor: Supervisor) -> None:
    pid = start_sleeper(supervisor)
    assert supervisor.process is not None
    supervisor.process.kill()
    wait_for(lambda: not is_running(pid))


def test_a_program_can_be_stopped_alone_and_twice(supervisor: Supervisor) -> None:
    pid = start_sleeper(supervisor)
    supervisor.stop_programs("sleeper")
    supervisor.stop_programs("sleeper")
    assert not is_running(pid)
    assert supervisor.is_alive()


def test_the_configuration_holds_no_secret_and_survives_percent_signs(make_setup: Callable[..., Setup]) -> None:
    text = configuration(make_setup(), [Program("odd", ["echo", "100%", "two words"], 10)])
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert parser["program:odd"]["command"] == 'setpriv --pdeathsig TERM -- echo 100%% "two words"'
    assert parser["unix_http_server"]["chmod"] == "0600"


def test_an_installation_runs_as_long_as_its_supervisor_answers_wherever_its_engines_are(supervisor: Supervisor) -> None:
    assert runs_here(supervisor.setup)
    supervisor.stop()
    assert not runs_here(supervisor.setup)
