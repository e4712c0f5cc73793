"""Which account is used, and how well its token is kept."""

import stat
from pathlib import Path

import pytest

from selfsmith import Client, NotConfigured
from selfsmith.configuration import Account, account, clean_url, forget, keep

HERE, THERE = "https://here.test", "https://there.test"


def test_what_is_said_goes_before_the_environment_and_that_before_the_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(Account(HERE, "kept"))
    assert account() == Account(HERE, "kept")
    monkeypatch.setenv("SELFSMITH_TOKEN", "of the environment")
    assert account() == Account(HERE, "of the environment")
    monkeypatch.setenv("SELFSMITH_URL", THERE)
    assert account() == Account(THERE, "of the environment")
    assert account(HERE, "said") == Account(HERE, "said")


def test_a_kept_token_goes_to_no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(Account(HERE, "kept"))
    monkeypatch.setenv("SELFSMITH_URL", THERE)
    with pytest.raises(NotConfigured, match=f"no token for {THERE}"):
        account()
    with pytest.raises(NotConfigured):
        Client(f"{HERE}:8443")


def test_the_file_is_readable_for_its_owner_alone(own_account: Path) -> None:
    keep(Account(HERE, "first"))
    own_account.chmod(0o644)
    keep(Account(HERE, "second"))
    assert stat.S_IMODE(own_account.stat().st_mode) == 0o600
    assert stat.S_IMODE(own_account.parent.stat().st_mode) == 0o700
    assert [path.name for path in own_account.parent.iterdir()] == ["account.json"]


def test_a_file_that_others_can_read_is_not_used(own_account: Path) -> None:
    keep(Account(HERE, "kept"))
    own_account.chmod(0o640)
    with pytest.raises(NotConfigured, match="chmod 600"):
        account()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "https://here.test"}', '{"url": 1, "token": "a"}'])
def test_a_damaged_file_is_told(own_account: Path, text: str) -> None:
    keep(Account(HERE, "kept"))
    own_account.write_text(text)
    with pytest.raises(NotConfigured, match=r"damaged|no address"):
        account()


def test_forgetting_removes_the_file(own_account: Path) -> None:
    keep(Account(HERE, "kept"))
    assert forget()
    assert not own_account.exists()
    assert not forget()
    with pytest.raises(NotConfigured, match="selfsmith login"):
        account()


@pytest.mark.parametrize(
    "url", ["", "selfsmith.test", "ftp://selfsmith.test", "https://", "https://user:word@selfsmith.test", "https://a.test/?b=1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(NotConfigured):
        clean_url(url)


def test_spellings_of_one_address_are_one() -> None:
    assert clean_url(" https://Selfsmith.Test:8443/ ") == clean_url("https://selfsmith.test:8443")
    assert clean_url("https://a.test/Selfsmith/") == "https://a.test/Selfsmith"


def test_an_account_does_not_show_its_token() -> None:
    assert "secret words" not in repr(Account(HERE, "secret words"))
