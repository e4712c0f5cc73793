"""The home lies where it can work, its keys are closed and never change, and one process holds it."""

import base64
import stat
from pathlib import Path

import pytest

from installer.errors import SetupError
from installer.home import SYSTEM_HOME, Home, choose_home, lock_home, make_home

KEYS = ("django_secret_key", "vault_root_key")


@pytest.fixture
def open_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("installer.home.is_open_to_others", lambda folder: True)
    return checkout


@pytest.fixture
def closed_checkout(checkout: Path) -> Path:
    checkout.parent.chmod(0o700)
    return checkout


def test_the_home_lies_in_the_checkout(open_checkout: Path) -> None:
    assert choose_home({}, open_checkout, is_root=True).path == open_checkout / "var"


def test_root_with_a_closed_checkout_uses_the_system_folder(closed_checkout: Path) -> None:
    assert choose_home({}, closed_checkout, is_root=True).path == SYSTEM_HOME


def test_another_account_keeps_its_closed_checkout(closed_checkout: Path) -> None:
    assert choose_home({}, closed_checkout, is_root=False).path == closed_checkout / "var"


def test_selfsmith_home_decides_over_all(closed_checkout: Path, tmp_path: Path) -> None:
    assert choose_home({"SELFSMITH_HOME": str(tmp_path / "mine")}, closed_checkout, is_root=True).path == tmp_path / "mine"


def test_keys_can_be_read_by_their_owner_only_and_stay(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert make_home(home) is True
    before = [(home.keys / name).read_text() for name in KEYS]
    assert make_home(home) is False
    assert [(home.keys / name).read_text() for name in KEYS] == before
    assert {stat.S_IMODE((home.keys / name).stat().st_mode) for name in KEYS} == {0o400}
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700


def test_the_vault_key_is_256_bits_and_no_two_homes_share_one(tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "two"):
        make_home(Home(tmp_path / name))
        keys.add((tmp_path / name / "keys" / "vault_root_key").read_text())
    assert len(keys) == 2
    assert {len(base64.b64decode(key)) for key in keys} == {32}


def test_a_path_too_deep_for_a_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path / ("x" * 100))
    with pytest.raises(SetupError, match="too long for a socket") as error:
        make_home(home)
    assert "SELFSMITH_HOME=" in error.value.advice
    assert not home.path.exists()


def test_a_second_start_is_told_that_there_is_a_first(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    make_home(home)
    with lock_home(home), pytest.raises(SetupError, match="already runs"):
        lock_home(home)
    lock_home(home).close()
