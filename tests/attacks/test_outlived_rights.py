"""Rights that were taken: a closed account, an ended session, a membership that is gone."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

from apps.core.tenancy import scope
from apps.workspaces import consumers
from apps.workspaces.services import create_token, remove_member
from tests.runs.conftest import begin, write

HINTS = "/ws/w/acme/hints?topic=runs"


def test_the_token_of_a_closed_account_opens_nothing(client: Client, cast: Any) -> None:
    with scope(cast.acme.pk):
        token = create_token(actor=cast.developer, name="build", lifetime=None)
    asked = {"path": "/api/v1/runs", "headers": {"Authorization": f"Bearer {token}"}}
    assert client.get(**asked).status_code == 200
    cast.developer.user.is_active = False
    cast.developer.user.save()
    assert client.get(**asked).status_code == 401


def test_the_token_of_a_removed_member_opens_nothing(client: Client, cast: Any) -> None:
    with scope(cast.acme.pk):
        token = create_token(actor=cast.developer, name="build", lifetime=None)
        remove_member(actor=cast.owner, membership_id=cast.developer.pk)
    assert client.get("/api/v1/runs", headers={"Authorization": f"Bearer {token}"}).status_code == 401


async def close_code(client: Client, address: str, change: Any = None, *, origin: str = "http://localhost") -> int | None:
    """With what code the socket is closed after `change`; None when it stays open."""
    from config.asgi import application

    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}".encode()
    path, _, query = address.partition("?")
    headers = [(b"cookie", cookie), (b"origin", origin.encode())]
    socket = ApplicationCommunicator(
        application, {"type": "websocket", "path": path, "query_string": query.encode(), "headers": headers, "subprotocols": []}
    )
    await socket.send_input({"type": "websocket.connect"})
    said = await socket.receive_output(timeout=10)
    if said["type"] == "websocket.accept":
        if change:
            await sync_to_async(change)()
        try:
            said = await socket.receive_output(timeout=3)
        except (TimeoutError, asyncio.CancelledError):
            return None
    assert said["type"] == "websocket.close", said
    return int(said.get("code", 0))


def ended_how(client: Client, cast: Any, how: str) -> None:
    user = cast.developer.user
    if how == "signed out":
        client.logout()
    elif how == "another password":
        user.set_password("another long one")
        user.save()
    elif how == "closed account":
        user.is_active = False
        user.save()
    else:
        with scope(cast.acme.pk):
            remove_member(actor=cast.owner, membership_id=cast.developer.pk)


@pytest.mark.parametrize("how", ["signed out", "another password", "closed account", "removed"])
def test_a_socket_does_not_outlive_what_opened_it(client: Client, cast: Any, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.05)
    client.force_login(cast.developer.user)
    assert async_to_sync(close_code)(client, HINTS, lambda: ended_how(client, cast, how)) == 4404


def test_a_socket_stays_open_as_long_as_its_session_does(client: Client, cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.05)
    client.force_login(cast.developer.user)
    assert async_to_sync(close_code)(client, HINTS) is None


def test_a_stranger_s_socket_and_a_foreign_origin_are_closed(client: Client, cast: Any) -> None:
    client.force_login(cast.stranger.user)
    assert async_to_sync(close_code)(client, HINTS) == 4404
    client.force_login(cast.developer.user)
    assert async_to_sync(close_code)(client, HINTS, origin="https://evil.example") is not None


def test_a_run_of_another_workspace_has_no_log_in_one_s_own(client: Client, cast: Any) -> None:
    run = begin(cast, write(cast, "def nothing() -> None:\n    pass\n"))
    client.force_login(cast.stranger.user)
    for slug in ("acme", "globex"):
        assert async_to_sync(close_code)(client, f"/ws/w/{slug}/runs/{run.pk}") == 4404
