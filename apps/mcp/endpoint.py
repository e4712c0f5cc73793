"""The door of /mcp: everything that is checked before the protocol's own code sees a request.

An ASGI application beside Django, since a call's answer is streamed while its run goes on. It keeps nothing between requests,
so any number of web processes can serve one client.
"""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.utils import timezone
from mcp import types
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

from apps.mcp import sessions
from apps.mcp.server import LEFT, MEMBER, SESSION, cancel_request, server
from apps.mcp.waiting import perform
from apps.workspaces.models import Membership
from apps.workspaces.rates import Allowance, TooManyRequests, spend
from apps.workspaces.services import authenticate_token

log = logging.getLogger("selfsmith.request")
BEARER = "Bearer "
MAX_BODY_BYTES = 2 * 1024 * 1024  # two of the largest sets of arguments; files go by REST
CANCELLED, INITIALIZE = "notifications/cancelled", "initialize"

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Refused(Exception):
    """An answer before the protocol begins."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


@dataclass(frozen=True)
class Message:
    """A request's body, as it came and as JSON."""

    body: bytes
    content: Any

    @property
    def method(self) -> str:
        method = self.content.get("method") if isinstance(self.content, dict) else None
        return method if isinstance(method, str) else ""


async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request, and write one line about it, without what it said."""
    begun, status = time.perf_counter(), 0

    async def watched(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        await send(message)

    try:
        await _serve(scope, receive, watched)
    except Refused as refusal:
        await _refuse(watched, refusal)
    finally:
        milliseconds = round((time.perf_counter() - begun) * 1000, 1)
        log.info("request", extra={"method": scope["method"], "route": "mcp", "status": status, "milliseconds": milliseconds})


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    request = ASGIRequest(dict(scope), BytesIO())
    _check_address(request)
    member, allowance = await database_sync_to_async(_admit, thread_sensitive=False)(request.headers.get("Authorization", ""))
    if request.method != "POST":
        raise Refused(405, "Send a message by POST: there is no stream of the server's own.", {"Allow": "POST"})
    message = _parsed(await _read(receive))
    session = await _session(request, member, message)
    if message.method == CANCELLED and session:
        await _cancel(member, session, message.content)
    scope.update({MEMBER: member, SESSION: session})
    headers = allowance.headers()
    if message.method == INITIALIZE and member.token is not None:
        headers[sessions.HEADER] = sessions.open_session(member.token)
    manager = StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=MAX_BODY_BYTES)
    async with manager.run():
        await manager.handle_request(scope, _replayed(message.body, receive, scope), _with_headers(send, headers))


def _check_address(request: ASGIRequest) -> None:
    """A page of another site must not speak to us through its reader's browser, whatever name it gave our address."""
    try:
        host = request.get_host()
    except DisallowedHost:
        raise Refused(421, "This is not the address of this installation.") from None
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise Refused(403, "Use https: a token must not cross the network in the open.")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != host and origin not in settings.MCP_ORIGINS:
        raise Refused(403, "Pages of other sites cannot use this address.")


def _admit(authorization: str) -> tuple[Membership, Allowance]:
    kind, token = authorization[: len(BEARER)], authorization[len(BEARER) :].strip()
    member = authenticate_token(token, now=timezone.now()) if kind.lower() == BEARER.lower() else None
    if member is None:
        challenge = 'Bearer realm="selfsmith"' + (', error="invalid_token"' if authorization else "")
        message = "Send an API token of yours as a bearer token: make one on the page “Connect an agent”."
        raise Refused(401, message, {"WWW-Authenticate": challenge})
    try:
        return member, spend(member)
    except TooManyRequests as refusal:
        headers = {**refusal.allowance.headers(), "Retry-After": str(refusal.allowance.seconds)}
        raise Refused(429, refusal.message, headers) from None


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Refused(400, "The message was cut off.")
        body += event.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, f"A message may have {MAX_BODY_BYTES} bytes: send large data as a file, by the REST API.")
        if not event.get("more_body"):
            return bytes(body)


def _parsed(body: bytes) -> Message:
    try:
        content = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "The message is no JSON that can be read.") from None
    if isinstance(content, dict) and "id" in content and type(content["id"]) not in (str, int):
        raise Refused(400, "A message's id is a text or a whole number.")  # the library would take it for a notification
    return Message(body, content)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


async def _session(request: ASGIRequest, member: Membership, message: Message) -> str | None:
    """The name of the session that the request belongs to. A client may do without; then its cancellations find nothing."""
    given = request.headers.get(sessions.HEADER)
    version = request.headers.get("MCP-Protocol-Version")
    if given is None or message.method == INITIALIZE or (version and version not in HANDSHAKE_PROTOCOL_VERSIONS):
        return None
    found = sessions.find_session(member.token, given) if member.token else None
    if found is None:
        raise Refused(404, "There is no such session: begin a new one with initialize.")
    return found


async def _cancel(member: Membership, session: str, content: Mapping[str, Any]) -> None:
    params = content.get("params")
    request_id = params.get("requestId") if isinstance(params, dict) else None
    if isinstance(request_id, str | int):
        await perform(member, lambda: cancel_request(member, session, request_id))


def _replayed(body: bytes, receive: Receive, scope: Scope) -> Receive:
    """The body once more, then whatever the connection says: that the client went away, which is noted in the scope."""
    is_given = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal is_given
        if is_given:
            event = await receive()
            scope[LEFT] = event["type"] == "http.disconnect"
            return event
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return sending


async def _refuse(send: Send, refusal: Refused) -> None:
    """As an error of the protocol that answers no request in particular."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": types.INVALID_REQUEST, "message": refusal.message}}
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(error).encode()})
