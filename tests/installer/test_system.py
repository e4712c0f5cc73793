"""apt installs what is missing and starts no service; what it cannot have is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from installer import system
from installer.errors import SetupError
from installer.progress import Step
from installer.setup import Setup
from installer.shell import Result
from installer.system import Package, install, install_sandbox, missing_packages, refresh_lists

from .conftest import ScriptedShell


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for group in ("CERTIFICATES", "ENGINES", "SANDBOX"):
        packages = tuple(Package(package.name, lambda: False) for package in getattr(system, group))
        monkeypatch.setattr(system, group, packages)
    monkeypatch.setattr(system, "SERVICE_POLICY", str(tmp_path / "policy-rc.d"))


def test_nothing_is_asked_of_apt_when_all_is_there(make_setup: Callable[..., Setup]) -> None:
    shell = ScriptedShell()
    install(make_setup(shell=shell), Step("packages", 0), [])
    assert shell.asked == []


def test_services_are_kept_still_while_packages_are_installed_and_free_again_afterwards(
    make_setup: Callable[..., Setup], nothing_installed: None
) -> None:
    shell = ScriptedShell()
    install(make_setup(shell=shell), Step("packages", 0), ["redis-server"])
    policy, apt, removal = shell.asked
    assert "policy-rc.d" in policy
    assert "--no-install-recommends redis-server" in apt
    assert removal.startswith("rm -f")


def test_services_are_free_again_after_apt_failed(make_setup: Callable[..., Setup], nothing_installed: None) -> None:
    shell = ScriptedShell({"install --yes": Result(100, "E: Unable to locate package x\n")})
    with pytest.raises(SetupError, match="apt-get install failed: E: Unable to locate package x"):
        install(make_setup(shell=shell), Step("packages", 0), ["x"])
    assert shell.asked[-1].startswith("rm -f")


def test_a_policy_of_the_machine_is_left_alone(make_setup: Callable[..., Setup], nothing_installed: None) -> None:
    Path(system.SERVICE_POLICY).write_text("#!/bin/sh\nexit 0\n")
    shell = ScriptedShell()
    install(make_setup(shell=shell), Step("packages", 0), ["redis-server"])
    assert len(shell.asked) == 1


def test_postgresql_is_told_beforehand_to_make_no_cluster_of_its_own(
    make_setup: Callable[..., Setup], nothing_installed: None
) -> None:
    shell = ScriptedShell()
    install(make_setup(shell=shell), Step("packages", 0), ["postgresql"])
    assert "createcluster.d/selfsmith.conf" in shell.asked[0]


def test_the_distribution_s_redis_does_not_start_with_the_machine(
    make_setup: Callable[..., Setup], nothing_installed: None
) -> None:
    shell = ScriptedShell()
    install(make_setup(shell=shell, has_systemd=True), Step("packages", 0), ["redis-server"])
    assert shell.asked[-1] == "systemctl disable redis-server"


def test_bookworm_gets_gvisor_from_the_backports(make_setup: Callable[..., Setup], nothing_installed: None) -> None:
    shell = ScriptedShell()
    install_sandbox(make_setup(shell=shell, version="12"), Step("packages", 0))
    assert any("docker.io iptables debootstrap runsc/bookworm-backports" in line for line in shell.asked)


def test_trixie_gets_docker_s_command_line_too(
    make_setup: Callable[..., Setup], nothing_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "find_program", lambda name: None)
    shell = ScriptedShell()
    install_sandbox(make_setup(shell=shell), Step("packages", 0))
    assert any(line.endswith("docker.io iptables debootstrap runsc docker-cli") for line in shell.asked)


def test_a_distribution_without_gvisor_is_told_where_to_get_it(make_setup: Callable[..., Setup], nothing_installed: None) -> None:
    shell = ScriptedShell({"install --yes": Result(100, "E: Unable to locate package runsc\n")})
    with pytest.raises(SetupError, match=r"ubuntu 24\.04 has no package of gVisor") as error:
        install_sandbox(make_setup(shell=shell, distribution="ubuntu", version="24.04"), Step("packages", 0))
    assert "gvisor.dev" in error.value.advice


def test_no_root_and_no_sudo_is_said_before_apt_is_called(make_setup: Callable[..., Setup], nothing_installed: None) -> None:
    shell = ScriptedShell()
    with pytest.raises(SetupError, match="Root is needed for installing ca-certificates, postgresql"):
        refresh_lists(make_setup(shell=shell, is_root=False), Step("packages", 0))
    assert not any("apt-get" in line for line in shell.asked)


def test_no_network_is_said_as_such(make_setup: Callable[..., Setup], nothing_installed: None) -> None:
    words = (
        "W: Failed to fetch http://deb.debian.org/debian/dists/trixie/InRelease  Temporary failure resolving 'deb.debian.org'\n"
    )
    shell = ScriptedShell({"apt-get": Result(100, words)})
    with pytest.raises(SetupError, match="The network does not answer") as error:
        refresh_lists(make_setup(shell=shell), Step("packages", 0))
    assert "start again" in error.value.advice


def test_what_is_there_is_not_missing() -> None:
    assert missing_packages((Package("a", lambda: True), Package("b", lambda: False))) == ["b"]
