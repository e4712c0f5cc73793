"""daemon.json keeps what it says; an engine that runs is told, never restarted."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from installer import docker
from installer.errors import SetupError
from installer.setup import Setup
from installer.shell import Result, Shell
from installer.supervise import Supervisor

from .conftest import ScriptedShell

OTHERS: dict[str, Any] = {"log-driver": "journald", "runtimes": {"kata": {"path": "/usr/bin/kata"}}}
RUNSC = {"path": "/bin/sh", "runtimeArgs": list(docker.RUNTIME_ARGUMENTS)}


@pytest.fixture
def daemon_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "daemon.json"
    monkeypatch.setattr(docker, "CONFIGURATION", path)
    monkeypatch.setattr(docker.read_configuration, "__defaults__", (path,))
    return path


def test_the_runtime_joins_what_is_there() -> None:
    settings = docker.merged(OTHERS, "/usr/bin/runsc")
    assert settings["log-driver"] == "journald"
    assert settings["runtimes"]["kata"] == {"path": "/usr/bin/kata"}
    assert settings["runtimes"]["runsc"]["runtimeArgs"] == ["--platform=systrap", "--network=none", "--host-uds=open"]
    assert "runsc" not in OTHERS["runtimes"]


def test_a_file_that_has_the_runtime_is_not_written(make_setup: Callable[..., Setup], daemon_json: Path) -> None:
    daemon_json.write_text(json.dumps({"runtimes": {"runsc": RUNSC}}))
    shell = ScriptedShell()
    assert docker.write_configuration(make_setup(shell=shell)) is False
    assert shell.asked == []


def test_the_old_file_is_kept_before_the_new_one_takes_its_place(make_setup: Callable[..., Setup], daemon_json: Path) -> None:
    daemon_json.write_text(json.dumps(OTHERS))
    shell = ScriptedShell()
    assert docker.write_configuration(make_setup(shell=shell)) is True
    keeping, replacing = shell.asked[-2:]
    assert keeping.startswith("cp --preserve")
    assert replacing.startswith("install -D -m 644")


def test_dockerd_judges_the_new_file_where_it_can(make_setup: Callable[..., Setup], daemon_json: Path) -> None:
    answers = {
        "--help": Result(0, "  --validate  Validate daemon configuration"),
        "--validate": Result(1, "unable to configure: no\n"),
    }
    shell = ScriptedShell(answers)
    with pytest.raises(SetupError, match="unable to configure"):
        docker.write_configuration(make_setup(shell=shell))
    assert not any(line.startswith("install") for line in shell.asked)


@pytest.mark.parametrize(("text", "words"), [("{", "not valid JSON"), ("[]", "does not hold a JSON object")])
def test_a_file_that_cannot_be_read_is_not_overwritten(daemon_json: Path, text: str, words: str) -> None:
    daemon_json.write_text(text)
    with pytest.raises(SetupError, match=words):
        docker.read_configuration()


def test_an_engine_of_our_own_touches_no_firewall_and_repeats_nothing(daemon_json: Path) -> None:
    daemon_json.write_text(json.dumps({"iptables": True}))
    command = docker.own_engine_command()
    assert "--bridge=none" in command
    assert not any(word.startswith("--iptables") for word in command)


def test_an_engine_that_answers_is_left_running(make_setup: Callable[..., Setup]) -> None:
    shell = ScriptedShell({"docker version": Result(0, "28.0\n")})
    setup = make_setup(shell=shell, has_systemd=True)
    assert docker.ensure_running(setup, Supervisor(setup)) == "was running"
    assert not any("systemctl" in line for line in shell.asked)


def test_an_account_without_the_right_to_docker_is_told_both_ways(make_setup: Callable[..., Setup]) -> None:
    setup = make_setup(shell=ScriptedShell({"docker version": Result(1, "permission denied while trying to connect\n")}))
    with pytest.raises(SetupError, match="may not use Docker") as error:
        docker.ensure_running(setup, Supervisor(setup))
    assert "sudo make run" in error.value.advice


def test_without_systemd_and_root_nobody_can_start_the_engine(make_setup: Callable[..., Setup]) -> None:
    setup = make_setup(shell=ScriptedShell({"docker version": Result(1, "Cannot connect\n")}), is_root=False, has_sudo=True)
    with pytest.raises(SetupError, match="does not run, and only root can start it here"):
        docker.ensure_running(setup, Supervisor(setup))


def test_a_box_that_the_host_s_kernel_runs_is_refused(make_setup: Callable[..., Setup]) -> None:
    from installer.progress import Step

    setup = make_setup(shell=ScriptedShell({"docker run": Result(0, "Linux version 6.18\n")}))
    with pytest.raises(SetupError, match="not run by gVisor"):
        docker.greet_from_box(setup, Step("first box", 0))


def test_only_containers_of_this_installation_are_removed(make_setup: Callable[..., Setup]) -> None:
    shell = ScriptedShell({"docker ps": Result(0, "abc\ndef\n")})
    setup = make_setup(shell=shell)
    (setup.home.path / "installation").write_text("1f2e3d\n")
    docker.remove_containers(setup)
    assert "label=selfsmith.installation=1f2e3d" in shell.asked[0]
    assert shell.asked[-1] == "docker rm --force --volumes abc def"


@pytest.mark.parametrize(
    ("file", "frozen", "thawed"),
    [
        ("freezer/docker/abc/freezer.state", "FROZEN\n", "THAWED"),
        ("freezer/docker/abc/freezer.state", "FREEZING\n", "THAWED"),
        ("freezer/system.slice/docker-abc.scope/freezer.state", "FROZEN\n", "THAWED"),
        ("docker/abc/cgroup.freeze", "1\n", "0"),
        ("system.slice/docker-abc.scope/cgroup.freeze", "1\n", "0"),
    ],
)
def test_what_a_killed_worker_left_frozen_goes_on_before_an_engine_starts(
    make_setup: Callable[..., Setup], tmp_path: Path, file: str, frozen: str, thawed: str
) -> None:
    state = tmp_path / file
    state.parent.mkdir(parents=True)
    state.write_text(frozen)
    docker.thaw_leftovers(make_setup(shell=Shell()), tmp_path)
    assert state.read_text() == thawed


def test_what_is_not_frozen_is_not_written_to(make_setup: Callable[..., Setup], tmp_path: Path) -> None:
    state = tmp_path / "freezer/docker/abc/freezer.state"
    state.parent.mkdir(parents=True)
    state.write_text("THAWED\n")
    shell = ScriptedShell()
    docker.thaw_leftovers(make_setup(shell=shell), tmp_path)
    assert shell.asked == []


def test_a_container_that_cannot_be_thawed_is_named_before_the_engine_hangs_on_it(
    make_setup: Callable[..., Setup], tmp_path: Path
) -> None:
    state = tmp_path / "docker/abc/cgroup.freeze"
    state.parent.mkdir(parents=True)
    state.write_text("1\n")
    setup = make_setup(shell=ScriptedShell({"tee": Result(1, "tee: permission denied\n")}))
    with pytest.raises(SetupError, match="left frozen") as error:
        docker.thaw_leftovers(setup, tmp_path)
    assert str(state) in error.value.sentence


def test_an_engine_that_hangs_is_given_up_with_a_sentence(
    make_setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "START_SECONDS", 0)
    monkeypatch.setattr(docker, "thaw_leftovers", lambda setup: None)
    shell = ScriptedShell({"docker version": Result(docker.TIMED_OUT, "")})
    setup = make_setup(shell=shell, has_systemd=True)
    with pytest.raises(SetupError, match="did not answer within"):
        docker.ensure_running(setup, Supervisor(setup))
    assert shell.asked[0].startswith(f"timeout {docker.ANSWER_SECONDS} docker version")
    assert not any("systemctl" in line for line in shell.asked), "a second engine beside one that hangs would only fail"


def test_a_silent_engine_is_given_up_after_some_seconds(make_setup: Callable[..., Setup], tmp_path: Path) -> None:
    silent = tmp_path / "bin" / "docker"
    silent.parent.mkdir()
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{silent.parent}:{os.environ['PATH']}")
        patch.setattr(docker, "ANSWER_SECONDS", 0.2)
        assert docker.ask_engine(make_setup(shell=Shell())).code == docker.TIMED_OUT


@pytest.mark.parametrize(("there", "allowed"), [("freezer", True), ("cgroup.controllers", True), ("memory", False)])
def test_who_may_freeze_is_told_by_the_control_groups(tmp_path: Path, there: str, *, allowed: bool) -> None:
    (tmp_path / there).mkdir()
    assert docker.may_freeze(tmp_path) is allowed


@pytest.mark.parametrize(
    ("line", "file", "word"),
    [
        ("6:freezer:/docker/abc", "freezer/docker/abc/freezer.state", "THAWED"),
        ("0::/docker/abc", "docker/abc/cgroup.freeze", "0"),
    ],
)
def test_what_is_frozen_is_thawed_before_it_is_removed(tmp_path: Path, line: str, file: str, word: str) -> None:
    state = tmp_path / file
    state.parent.mkdir(parents=True)
    state.write_text("FROZEN")
    (tmp_path / "cgroup").write_text(f"5:memory:/docker/abc\n{line}\n")
    docker.thaw(tmp_path / "cgroup", tmp_path)
    assert state.read_text() == word


def test_a_container_that_has_ended_needs_no_thawing(tmp_path: Path) -> None:
    docker.thaw(tmp_path / "0" / "cgroup", tmp_path)
    assert not list(tmp_path.iterdir())
