"""What keeps Selfsmith from a machine is said in a sentence, before anything is changed."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from installer.errors import SetupError
from installer.machine import (
    GIB,
    check_disk,
    check_port,
    check_privileges,
    check_supported,
    chosen_port,
    free_bytes,
    read_release,
)

from .conftest import DEBIAN


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"system": "Darwin"}, "runs on Linux, and this is Darwin"),
        ({"architecture": "riscv64"}, "no gVisor for this processor (riscv64)"),
        ({"distribution": "fedora", "version": "44"}, "fedora 44"),
        ({"distribution": "debian", "version": "11"}, "debian 11"),
    ],
)
def test_an_unsupported_machine_is_named_with_what_would_do(facts: dict[str, str], words: str) -> None:
    with pytest.raises(SetupError) as error:
        check_supported(replace(DEBIAN, **facts))
    assert words in error.value.sentence
    assert "Use Debian 12 or 13" in error.value.advice


@pytest.mark.parametrize(
    ("distribution", "version", "tried"), [("debian", "12", True), ("debian", "13", True), ("ubuntu", "24.04", False)]
)
def test_supported_machines_pass_and_untried_ones_are_told_apart(distribution: str, version: str, tried: bool) -> None:
    machine = replace(DEBIAN, distribution=distribution, version=version)
    check_supported(machine)
    assert machine.is_tried is tried


def test_without_root_and_sudo_the_reason_for_root_is_said() -> None:
    with pytest.raises(SetupError, match=r"Root is needed for installing runsc, and sudo is not installed\."):
        check_privileges(replace(DEBIAN, is_root=False), "installing runsc")


def test_sudo_stands_in_for_root_and_never_asks() -> None:
    machine = replace(DEBIAN, is_root=False, has_sudo=True)
    check_privileges(machine, "installing runsc")
    assert machine.as_root("apt-get", "update") == ["sudo", "--non-interactive", "apt-get", "update"]


def test_a_full_disk_is_refused_with_the_figures(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"Only 2\.5 GiB are free .*; set-up needs 3\.") as error:
        check_disk(tmp_path, int(2.5 * GIB))
    assert "SELFSMITH_HOME" in error.value.advice


def test_three_gibibytes_are_enough(tmp_path: Path) -> None:
    check_disk(tmp_path, 3 * GIB)


def test_free_space_is_found_for_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {port} is taken") as error:
            check_port(port)
    assert f"SELFSMITH_PORT={port + 1}" in error.value.advice


@pytest.mark.parametrize("text", ["web", "0", "65536", "-1", ""])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="which is no port"):
        chosen_port({"SELFSMITH_PORT": text})


def test_the_port_is_8000_unless_said_otherwise() -> None:
    assert chosen_port({}) == 8000
    assert chosen_port({"SELFSMITH_PORT": "8123"}) == 8123


def test_the_release_file_is_read_with_and_without_quotes(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_ID="13"\n\nNAME="Debian GNU/Linux"\n')
    assert read_release(tmp_path / "os-release")["VERSION_ID"] == "13"
    assert read_release(tmp_path / "missing") == {}
