"""A client of /mcp that says whatever it likes, past the library that would keep it honest."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from apps.core.tenancy import scope
from apps.mcp.endpoint import endpoint
from apps.workspaces.models import Membership
from apps.workspaces.services import create_token

LEGACY = "2025-11-25"


class Program:
    """Sends JSON-RPC with one token; each request is answered by a process that knows nothing of the one before."""

    def __init__(self, token: str) -> None:
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": LEGACY,
        }

    def send(self, body: bytes | str, *, method: str = "POST", **headers: str) -> httpx.Response:
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return asyncio.run(self._send(method, body, {name: value for name, value in given.items() if value}))

    async def _send(self, method: str, body: bytes | str, headers: dict[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(endpoint), base_url="http://localhost") as client:
            return await client.request(method, "/mcp", content=body, headers=headers)

    def ask(self, method: str, params: dict[str, Any] | None = None, *, number: int | str = 1, **headers: str) -> dict[str, Any]:
        """The answer of the protocol, which must have come with a good status."""
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        response = self.send(json.dumps(message), **headers)
        assert response.status_code == 200, response.text
        return spoken(response)

    def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """The result of a tool."""
        answer = self.ask("tools/call", {"name": name, "arguments": arguments})
        return answer.get("result", answer)

    def tools(self) -> dict[str, dict[str, Any]]:
        """All tools, page by page."""
        found, cursor = {}, None
        while True:
            page = self.ask("tools/list", {"cursor": cursor} if cursor else {})["result"]
            found |= {tool["name"]: tool for tool in page["tools"]}
            cursor = page.get("nextCursor")
            if cursor is None:
                return found


def spoken(response: httpx.Response) -> dict[str, Any]:
    """The last message of an answer, whether it came as JSON or as a stream."""
    if response.headers["Content-Type"].startswith("application/json"):
        return response.json()
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return json.loads(lines[-1])


type Connect = Callable[..., Program]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and no broker."""
    settings.HOME = tmp_path
    monkeypatch.setattr("apps.core.dispatch._send", lambda kind: None)
    return tmp_path


@pytest.fixture
def people(transactional_cast: SimpleNamespace) -> SimpleNamespace:
    """The cast; what is stored is committed, since the endpoint asks the database in threads of its own."""
    return transactional_cast


@pytest.fixture
def connect(people: SimpleNamespace) -> Connect:
    """A program of a member, the developer unless said otherwise, by a new token."""

    def with_token(member: Membership | None = None, **given: Any) -> Program:
        member = member or people.developer
        with scope(member.workspace_id):
            return Program(create_token(actor=member, name="an agent", lifetime=None, **given))

    return with_token
