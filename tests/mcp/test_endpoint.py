"""The door of /mcp: who comes in, and what hostile clients get."""

import json
from datetime import timedelta

import pytest

from apps.core.tenancy import every_workspace, scope
from apps.mcp import endpoint, sessions
from apps.workspaces.models import ApiToken
from apps.workspaces.services import create_token
from tests.mcp.conftest import LEGACY, Connect, Program

LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def session_of(program: Program) -> str:
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
    return program.send(body, MCP_Protocol_Version="").headers[sessions.HEADER]


def test_initialize_tells_the_revision_that_the_client_speaks_and_what_there_is(connect: Connect) -> None:
    answer = connect().ask("initialize", HELLO)["result"]
    assert answer["protocolVersion"] == LEGACY
    assert answer["serverInfo"]["name"] == "selfsmith"
    assert answer["capabilities"]["tools"].get("listChanged") in (None, False), "nothing tells clients of changes"


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer sst_no-such-token", "Basic b3duZXI6cGFzcw==", "sst_naked"])
def test_without_a_good_token_nobody_comes_in_and_is_told_how(people, authorization) -> None:
    response = Program("x").send(LIST, Authorization=authorization)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_that_has_expired_or_was_revoked_opens_nothing(people, connect: Connect) -> None:
    with scope(people.acme.pk):
        late = Program(create_token(actor=people.developer, name="late", lifetime=timedelta(microseconds=1)))
    assert late.send(LIST).status_code == 401
    program = connect()
    assert program.send(LIST).status_code == 200
    with every_workspace(reason="test"):
        ApiToken.objects.all().delete()
    assert program.send(LIST).status_code == 401


def test_a_session_cookie_is_no_way_in(people, client) -> None:
    client.force_login(people.owner.user)
    response = Program("").send(LIST, Authorization="", Cookie=f"sessionid={client.cookies['sessionid'].value}")
    assert response.status_code == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_a_page_of_another_site_is_refused_though_it_had_a_token(connect: Connect, origin) -> None:
    assert connect().send(LIST, Origin=origin).status_code == 403


def test_our_own_pages_and_those_that_the_operator_named_are_let_in(connect: Connect, settings) -> None:
    settings.MCP_ORIGINS = ["https://client.example"]
    assert connect().send(LIST, Origin="http://localhost").status_code == 200
    assert connect().send(LIST, Origin="https://client.example").status_code == 200


def test_a_name_that_is_not_ours_is_refused_whatever_address_it_leads_to(connect: Connect) -> None:
    assert connect().send(LIST, Host="rebound.example").status_code == 421


def test_a_token_does_not_cross_the_network_in_the_open(connect: Connect, settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert connect().send(LIST).status_code == 403


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_stream_and_nothing_to_delete(connect: Connect, method) -> None:
    response = connect().send("", method=method)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


HOSTILE = {
    "empty": b"",
    "no json": b"{",
    "not utf-8": b'{"jsonrpc": "\xff"}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "not a number": b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": {"a": NaN}}}',
    "a long number": b'{"jsonrpc": "2.0", "id": ' + b"9" * 10_000 + b', "method": "tools/list"}',
    "a text": b'"tools/list"',
    "nothing": b"null",
    "a batch": b"[" + LIST.encode() + b"]",
    "no method": b'{"jsonrpc": "2.0", "id": 1}',
    "a wrong version": b'{"jsonrpc": "1.0", "id": 1, "method": "tools/list"}',
    "an id that is no id": b'{"jsonrpc": "2.0", "id": {"a": 1}, "method": "tools/list"}',
    "a method that is no text": b'{"jsonrpc": "2.0", "id": 1, "method": ["tools/list"]}',
}


@pytest.mark.parametrize("revision", [LEGACY, "2026-07-28", "1999-01-01"])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_message_is_refused_and_breaks_nothing(connect: Connect, body, revision) -> None:
    response = connect().send(body, MCP_Protocol_Version=revision)
    assert 400 <= response.status_code < 500, response.text


def test_a_message_above_the_limit_is_refused_before_it_is_read(connect: Connect, monkeypatch) -> None:
    monkeypatch.setattr(endpoint, "MAX_BODY_BYTES", 1000)
    assert connect().send(LIST + " " * 2000).status_code == 413


def test_a_session_belongs_to_its_token(people, connect: Connect) -> None:
    mine, theirs = connect(), connect(people.owner)
    session = session_of(mine)
    assert mine.send(LIST, Mcp_Session_Id=session).status_code == 200
    assert theirs.send(LIST, Mcp_Session_Id=session).status_code == 404
    assert mine.send(LIST, Mcp_Session_Id=f"{session[:-1]}{'a' if session[-1] != 'a' else 'b'}").status_code == 404
    assert mine.send(LIST, Mcp_Session_Id="made-up").status_code == 404


def test_a_session_ends_after_a_day(connect: Connect, monkeypatch) -> None:
    program = connect()
    session = session_of(program)
    monkeypatch.setattr(sessions, "LIFETIME_SECONDS", -1)
    assert program.send(LIST, Mcp_Session_Id=session).status_code == 404


def test_requests_are_counted_like_those_of_the_rest_interface(connect: Connect, settings, monkeypatch) -> None:
    from limits.storage import MemoryStorage
    from limits.strategies import SlidingWindowCounterRateLimiter

    from apps.workspaces import rates

    limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
    monkeypatch.setattr(rates, "_limiter", lambda: limiter)
    settings.RATE_PER_MEMBER = "2/minute"
    program = connect()
    answers = [program.send(LIST) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[0].headers["RateLimit"].startswith('"member";r=1;t=')
