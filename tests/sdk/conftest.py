"""A live server with members' tokens, and the program `selfsmith` as somebody would call it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import selfsmith
from apps.core.tenancy import scope
from apps.workspaces.models import Membership
from apps.workspaces.services import create_token
from selfsmith import marks
from selfsmith.cli import main
from selfsmith.configuration import Account
from selfsmith.transport import Retries

NO_PAUSES = Retries(base=0.0)


@pytest.fixture(autouse=True)
def own_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of this machine's sign-in is seen, and what a test marks or uses is forgotten after it."""
    kept = tmp_path / "sign-in" / "account.json"
    monkeypatch.setenv("SELFSMITH_CONFIG", str(kept))
    for name in ("SELFSMITH_URL", "SELFSMITH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(selfsmith, "_client", None)
    monkeypatch.setattr(marks, "_marked", {})
    return kept


@pytest.fixture
def cast(transactional_cast: Any, live_server: Any, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server answers from threads of its own, so what a test writes must be committed. Nobody works."""
    settings.HOME = tmp_path / "home"
    monkeypatch.setattr("apps.core.dispatch._send", lambda kind: None)
    return transactional_cast


@dataclass(frozen=True)
class Side:
    """What the side of the programs has of a member: the address and a token."""

    url: str

    def token(self, member: Membership) -> str:
        with scope(member.workspace_id):
            return create_token(actor=member, name="A program", lifetime=timedelta(days=1))

    def account(self, member: Membership) -> Account:
        return Account(self.url, self.token(member))

    def client(self, member: Membership) -> selfsmith.Client:
        return selfsmith.Client(self.url, self.token(member), retries=NO_PAUSES)


@pytest.fixture
def side(live_server: Any) -> Side:
    return Side(live_server.url)


@pytest.fixture
def client(side: Side, cast: Any) -> Iterator[selfsmith.Client]:
    """acme's developer."""
    with side.client(cast.developer) as made:
        yield made


type Command = Callable[..., Result]


@pytest.fixture
def command(side: Side, cast: Any, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`command("runs", "--json", by=cast.viewer)`; without `by` acme's developer."""
    tokens: dict[object, str] = {}

    def call(*words: str, by: Membership | None = None, text: str | None = None) -> Result:
        member = by or cast.developer
        token = tokens.get(member.pk) or tokens.setdefault(member.pk, side.token(member))
        environment = {"SELFSMITH_URL": side.url, "SELFSMITH_TOKEN": token}
        return CliRunner().invoke(main, list(words), input=text, env=environment)

    return call


def told(result: Result) -> Any:
    """The one JSON document of a command that went well."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
