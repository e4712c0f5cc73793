"""An agent from outside: the MCP library's own client makes, tries, gates and runs a tool on a running installation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import ClientSession
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.processes.installation import Installation, checked

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
WORKSPACE = "mcp"
SECONDS = 90
PAGE = '''
import markdown

def page_of(text: str) -> dict[str, str]:
    """Make a page of a text."""
    print("rendering")
    return {"html": markdown.Markdown().convert(text)}
'''
SLOW = '''
import time

def slow_count(to: int) -> int:
    """Count slowly."""
    for number in range(to):
        func.progress(number / to, f"at {number}")
        time.sleep(0.5)
    return to
'''


@pytest.fixture(scope="module", autouse=True)
def workspace(installation: Installation) -> None:
    installation.add_workspaces(WORKSPACE)


def token_of(installation: Installation, *scopes: str, user: str = "developer") -> str:
    body = {"name": "an outside agent", "scopes": list(scopes)}
    return checked(installation.session(user, WORKSPACE).post("/api/v1/tokens", json=body))["token"]


def http_of(token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60)


@asynccontextmanager
async def connected(installation: Installation, token: str) -> AsyncIterator[ClientSession]:
    """A client that shakes hands, as those in the field do."""
    async with (
        http_of(token) as http,
        streamable_http_client(f"{installation.url}/mcp", http_client=http) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        yield session


async def told(session: ClientSession, tool: str, /, **arguments: Any) -> Any:
    result = await session.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


def approve(installation: Installation, kind: str) -> None:
    """The approver looks at the one open request of a kind and agrees."""
    approver = installation.session("approver", WORKSPACE)

    def find() -> Any:
        items = checked(approver.get("/api/v1/approvals", params={"state": "open"}))["items"]
        return next((each for each in items if each["kind"] == kind), None)

    request = installation.wait_until(find, SECONDS, f"an open request for {kind}")
    vote = {"decision": "approve", "reason": "Looked at it.", "digest": request["digest"]}
    checked(approver.post(f"/api/v1/approvals/{request['id']}/votes", json=vote))


async def ended(session: ClientSession, run: str) -> Any:
    for _ in range(SECONDS * 2):
        state = await told(session, "forge-get_run", run=run)
        if state["state"] in ("succeeded", "failed", "refused", "cancelled"):
            return state
        await asyncio.sleep(0.5)
    raise AssertionError(f"{run} did not end: {state}")


async def test_an_outside_agent_makes_tries_gates_and_runs_a_tool(installation: Installation) -> None:
    token = token_of(installation, "run", "propose")
    async with connected(installation, token) as session:
        assert (await told(session, "forge-find_function", query="page"))["functions"] == []
        source = PAGE.replace("text: str", "text: str =")
        broken = await session.call_tool(
            "forge-create_or_update_tool", {"name": "page_of", "description": "A page.", "source": source}
        )
        assert broken.is_error
        assert "ine 4" in broken.content[0].text
        made = await told(
            session,
            "forge-create_or_update_tool",
            name="page_of", description="A page of a text.", source=PAGE, requirements=["markdown"],
        )  # fmt: skip
        assert (made["version"], made["state"]) == (1, "draft")
        asked = await told(session, "forge-request_package", requirements=["markdown"], reason="Pages are written in it.")
        assert asked["state"] in ("queued", "resolving", "awaiting_approval")
        begun = await told(session, "forge-run_tool", name="page_of", arguments={"text": "# Hello"})
        assert begun["state"] == "awaiting_approval"
        with pytest.raises(MCPError):
            await session.call_tool("page_of", {"text": "not yet"})
        await asyncio.to_thread(approve, installation, "packages")
        run = await ended(session, begun["run"])
        assert run["state"] == "succeeded", run
        assert "Hello" in run["result"]["html"]
        assert "rendering" in (await told(session, "forge-read_log", run=begun["run"]))["output"]
        await told(session, "forge-propose_promotion", name="page_of", reason="It was tried on a heading.")
        await asyncio.to_thread(approve, installation, "promotion")
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert tools["page_of"].output_schema is not None
        result = await session.call_tool("page_of", {"text": "# Kept"})
        assert not result.is_error, result.content
        assert "Kept" in result.structured_content["result"]["html"]
        shown = checked(installation.api("owner", WORKSPACE).get(f"/runs/{result.meta['selfsmith/run']}"))
        assert "gVisor" in shown["kernel"]


def write_slow(installation: Installation, name: str) -> None:
    source = SLOW.replace("slow_count", name)
    checked(installation.session("developer", WORKSPACE).post("/api/v1/functions", json={"source": source}))


def run_of(installation: Installation, function: str) -> Any:
    items = checked(installation.api("owner", WORKSPACE).get("/runs"))["items"]
    return next((each for each in items if each["function"] == function), None)


async def test_progress_is_told_while_a_run_runs_and_rises(installation: Installation) -> None:
    write_slow(installation, "slow_told")
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with connected(installation, token_of(installation, "run")) as session:
        result = await session.call_tool("slow_told", {"to": 6}, progress_callback=hear)
    assert result.structured_content == {"result": 6}
    shares = [share for share, _ in heard]
    assert shares == sorted(set(shares)), "each is more than the one before"
    assert any("at " in (message or "") for _, message in heard)


async def test_a_client_that_cancels_stops_the_run(installation: Installation) -> None:
    write_slow(installation, "slow_cancelled")
    async with connected(installation, token_of(installation, "run")) as session:
        await cancelled(installation, "slow_cancelled", session.call_tool("slow_cancelled", {"to": 120}))


async def test_a_client_of_the_newest_revision_cancels_by_hanging_up(installation: Installation) -> None:
    write_slow(installation, "slow_left")
    token = token_of(installation, "run")
    async with http_of(token) as http, Client(streamable_http_client(f"{installation.url}/mcp", http_client=http)) as client:
        assert client.protocol_version == "2026-07-28"
        assert "slow_left" in {tool.name for tool in (await client.list_tools()).tools}
        assert (await client.call_tool("slow_left", {"to": 1})).structured_content == {"result": 1}
        await cancelled(installation, "slow_left", client.call_tool("slow_left", {"to": 120}))


async def cancelled(installation: Installation, function: str, call: Any) -> None:
    """Begin a call, give it up while its run runs, and see the run end."""
    calling = asyncio.create_task(call)

    def is_in(state: str) -> bool:
        return (run_of(installation, function) or {}).get("state") == state

    await asyncio.to_thread(installation.wait_until, lambda: is_in("running"), SECONDS, "a running run")
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    await asyncio.to_thread(installation.wait_until, lambda: is_in("cancelled"), 10, "a cancelled run")


async def test_tools_of_another_workspace_are_unknown(installation: Installation) -> None:
    checked(
        installation.session("developer").post("/api/v1/functions", json={"source": "def only_in_acme() -> int:\n    return 1\n"})
    )
    async with connected(installation, token_of(installation, "run", "propose", user="owner")) as session:
        assert "only_in_acme" not in {tool.name for tool in (await session.list_tools()).tools}
        with pytest.raises(MCPError, match="Unknown tool"):
            await session.call_tool("only_in_acme", {})
