"""/hooks/<public id>: what programs outside send. An ASGI application of its own, outside of Django's middleware.

Sessions, cookies and CSRF have no say here, the body is cut off before it is large, and a sender that waits for what comes
of its delivery holds a socket and a timer: no thread, no connection to the database.
"""

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils import timezone

from apps.api.hook_waiting import wait_for_outcome
from apps.core.errors import DomainError, Invalid, TooLarge
from apps.core.log_context import bound
from apps.triggers.webhooks.drafts import METHODS
from apps.triggers.webhooks.receiving import REFUSALS, Receipt, receive
from apps.triggers.webhooks.schemes import Incoming

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[Mapping[str, Any]]]
type Send = Callable[[Mapping[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("selfsmith.hook")
PREFIX = "/hooks/"
READ_SECONDS = 30  # for the whole body
PROBLEM, PLAIN_JSON = b"application/problem+json", b"application/json"


class BadWait(Invalid):
    code = "bad_wait"
    status = 400


class MethodNeverTaken(Invalid):
    code = "method_not_taken"
    status = 405


class TooSlow(Invalid):
    code = "too_slow"
    status = 408


class BodyNeverTaken(TooLarge):
    code = "body_too_large"


OWN_REFUSALS = (BadWait, MethodNeverTaken, TooSlow, BodyNeverTaken)
FAILED = {"title": "Something went wrong here. Send it again.", "code": "error", "status": 500, "details": {}}


class Hooks:
    """Answers under /hooks/ and hands everything else on."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(PREFIX):
            await self._application(scope, receive, send)
            return
        began, request_id = time.perf_counter(), uuid4().hex
        with bound(request_id=request_id):
            try:
                status, body = await _answer(scope, receive)
            except (*REFUSALS, *OWN_REFUSALS) as refusal:
                status, body = refusal.status, _problem(refusal)
            except _GoneAway:
                return
            except Exception:
                log.exception("hook.failed")  # what is wrong here is nobody's business outside
                status, body = HTTPStatus.INTERNAL_SERVER_ERROR, FAILED
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            log.info("hook", extra={"method": scope["method"], "status": status, "milliseconds": milliseconds})
            await _send_json(send, status, body, request_id)


class _GoneAway(Exception):
    """The sender has hung up before its body was whole: there is nobody to answer."""


async def _answer(scope: Scope, receive_more: Receive) -> tuple[int, dict[str, Any]]:
    """What depends on the webhook is only told once the sender is known; the rest is the same at every address."""
    if scope["method"] not in METHODS:
        raise MethodNeverTaken(f"Send by {', '.join(METHODS)}.")
    headers = _headers(scope)
    seconds = _seconds_to_wait(scope)
    incoming = Incoming(scope["method"], headers, await _read(headers, receive_more))
    take = database_sync_to_async(receive, thread_sensitive=False)
    receipt = await take(public_id=scope["path"].removeprefix(PREFIX), incoming=incoming, now=timezone.now())
    told = {"event": str(receipt.event_id), "is_duplicate": receipt.is_duplicate}
    if not seconds:
        return HTTPStatus.OK if receipt.is_duplicate else HTTPStatus.ACCEPTED, told
    return await _waited(receipt, told, seconds, receive_more)


async def _waited(receipt: Receipt, told: dict[str, Any], seconds: float, receive_more: Receive) -> tuple[int, dict[str, Any]]:
    """200 when all that rules did is over, 202 when it goes on."""
    if not receipt.may_wait:
        return HTTPStatus.ACCEPTED, {**told, "note": "Results are only told to senders that are known by a secret."}
    outcome = await wait_for_outcome(receipt, seconds, receive_more)
    if outcome is None:
        return HTTPStatus.ACCEPTED, {**told, "note": "Too many senders wait just now. The event is told, and its rules run."}
    status = HTTPStatus.OK if outcome.is_complete else HTTPStatus.ACCEPTED
    return status, {**told, "is_complete": outcome.is_complete, "runs": outcome.runs}


def _headers(scope: Scope) -> dict[str, str]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in scope["headers"]:
        found[name.decode("latin-1").lower()].append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in found.items()}


def _seconds_to_wait(scope: Scope) -> float:
    given = parse_qs(scope["query_string"].decode("latin-1")).get("wait", ["0"])[-1]
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:  # nor NaN
        raise BadWait("wait is a number of seconds, such as wait=10.")
    return min(seconds, settings.WEBHOOK_WAIT_SECONDS)


async def _read(headers: Mapping[str, str], receive_more: Receive) -> bytes:
    """The raw body, never more of it than a webhook may take.

    Raises:
        BodyNeverTaken, TooSlow, _GoneAway
    """
    most = settings.WEBHOOK_MAX_BYTES
    too_large = BodyNeverTaken(f"A webhook takes bodies of up to {most} bytes.", limit=most)
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > most:
        raise too_large
    pieces = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            while True:
                message = await receive_more()
                if message["type"] == "http.disconnect":
                    raise _GoneAway
                pieces += message.get("body", b"")
                if len(pieces) > most:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(pieces)
    except TimeoutError:
        raise TooSlow(f"The body did not come within {READ_SECONDS} seconds.") from None


def _problem(refusal: DomainError) -> dict[str, Any]:
    """The same shape as the API's own (RFC 9457)."""
    return {"title": refusal.message, "code": refusal.code, "status": refusal.status, "details": refusal.details}


async def _send_json(send: Send, status: int, body: Mapping[str, Any], request_id: str) -> None:
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", PROBLEM if status >= HTTPStatus.BAD_REQUEST else PLAIN_JSON),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id.encode()),
    ]
    if "retry_after" in body.get("details", {}):
        headers.append((b"retry-after", str(body["details"]["retry_after"]).encode()))
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        headers.append((b"connection", b"close"))  # what is left of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
