"""Members as callers of the API: by session, as a browser would, or by token."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from apps.core.tenancy import scope
from apps.workspaces.models import Membership
from apps.workspaces.services import create_token
from tests.dashboard.conftest import make_things

ROOT = "/api/v1"


class Caller:
    """A client of the API. Answers come back as they are; `json()` of them is what a program would read."""

    def __init__(self, *, user: Any = None, headers: dict[str, str] | None = None, check_csrf: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=check_csrf)
        self.headers = headers or {}
        if user is not None:
            self.client.force_login(user)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(ROOT + path, query, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, json.dumps({} if body is None else body), **headers)

    def send(
        self, method: str, path: str, data: str | bytes = "", *, media_type: str = "application/json", **headers: str
    ) -> Any:
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.generic(method, ROOT + path, data, content_type=media_type, headers=given)

    def upload(self, file: Any, path: str = "/files", **more: str) -> Any:
        return self.client.post(ROOT + path, {"file": file, **more}, headers=self.headers)


type Call = Callable[[Membership], Caller]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and no broker."""
    settings.HOME = tmp_path
    monkeypatch.setattr("apps.core.dispatch._send", lambda kind: None)
    return tmp_path


@pytest.fixture
def by_session() -> Call:
    def signed_in(member: Membership) -> Caller:
        return Caller(user=member.user, headers={"X-Workspace": member.workspace.slug})

    return signed_in


@pytest.fixture
def by_token() -> Call:
    def with_token(member: Membership) -> Caller:
        with scope(member.workspace_id):
            token = create_token(actor=member, name="A program", lifetime=None)
        return Caller(headers={"Authorization": f"Bearer {token}"})

    return with_token


@pytest.fixture
def things(cast: SimpleNamespace) -> SimpleNamespace:
    """One of everything in acme, made by its developer."""
    with scope(cast.acme.pk):
        cast.developer.role, role = "admin", cast.developer.role
        made = make_things(cast.developer)
        cast.developer.role = role
    return made


@pytest.fixture
def foreign(cast: SimpleNamespace) -> SimpleNamespace:
    """One of everything in globex."""
    with scope(cast.globex.pk):
        return make_things(cast.stranger)


@pytest.fixture
def caller(cast: SimpleNamespace, by_token: Call) -> Caller:
    """The developer of acme, by token."""
    return by_token(cast.developer)
