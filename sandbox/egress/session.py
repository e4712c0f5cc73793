"""One connection of a tool to its proxy, from the request to the last byte."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Literal

from sandbox.egress.client_hello import check_server_name, parse_client_hello
from sandbox.egress.dialing import Dialer
from sandbox.egress.incoming import CHUNK, Incoming
from sandbox.egress.limits import EgressLimits
from sandbox.egress.request_head import Head, parse_head
from sandbox.egress.targets import Policy, Refused, Target, shown
from sandbox.events import Connection

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_ACCESS_DENIED = b"\x15\x03\x03\x00\x02\x02\x31"  # TLS: a fatal alert, after which a client says so by name
_HUNG_UP = "The tool hung up before its request was whole."
_BROKEN_OFF = "One side broke it off."
_ENDED = "It ended with the run."


class Budget:
    """What is left of a run's bytes, for all of its connections together."""

    def __init__(self, limits: EgressLimits) -> None:
        self._limits = limits
        self._sent, self._received = limits.sent_bytes, limits.received_bytes

    def send(self, count: int) -> None:
        """Raises: Refused."""
        self._sent -= count
        if self._sent < 0:
            raise Refused(f"The run has sent more than the {self._limits.sent_bytes} bytes that it may.", 413)

    def receive(self, count: int) -> None:
        """Raises: Refused."""
        self._received -= count
        if self._received < 0:
            raise Refused(f"The run has received more than the {self._limits.received_bytes} bytes that it may.", 502)


class Session:
    """Serves one request or one tunnel, then closes. `record` is what people are told of it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        policy: Policy,
        limits: EgressLimits,
        dialer: Dialer,
        budget: Budget,
    ) -> None:
        self._tool, self._writer = Incoming(reader), writer
        self._policy, self._limits, self._dialer, self._budget = policy, limits, dialer, budget
        self._began = time.monotonic()
        self._moved = self._began
        self._asked = ""
        self._target: Target | None = None
        self._is_tunnel = self._has_answered = False
        self._verdict: Literal["allowed", "refused", "failed"] = "refused"
        self._reason = _HUNG_UP
        self._sent = self._received = 0

    async def serve(self) -> None:
        """Never raises for what the tool or the host does."""
        try:
            head = await self._read_head()
            self._target, self._is_tunnel = head.target, head.tunnel
            self._policy.check(head.target)
            await self._connect(head)
        except Refused as refusal:
            self._reason = refusal.reason
            await self._answer(refusal)
            if self._verdict != "allowed":
                self._verdict = "failed" if refusal.status >= 502 else "refused"
        except (OSError, EOFError):
            if self._verdict == "allowed":
                self._reason = _BROKEN_OFF
        except asyncio.CancelledError:
            if self._verdict == "allowed":
                self._reason = _ENDED
            raise
        finally:
            await _close(self._writer)

    async def refuse(self, refusal: Refused) -> None:
        """Serve nothing."""
        self._reason = refusal.reason
        await self._answer(refusal)
        await _close(self._writer)

    def record(self) -> Connection:
        return Connection(
            host=self._target.host if self._target else shown(self._asked),
            port=self._target.port if self._target else None,
            verdict=self._verdict,
            reason=self._reason,
            sent=self._sent,
            received=self._received,
            seconds=time.monotonic() - self._began,
        )

    async def _read_head(self) -> Head:
        try:
            async with asyncio.timeout(self._limits.head_seconds):
                data = await self._tool.head(self._limits.head_bytes)
        except TimeoutError:
            raise Refused("The request did not come in time.", 408) from None
        self._asked = data.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2].partition(" ")[0]
        return parse_head(data)

    async def _connect(self, head: Head) -> None:
        self._reason = "The tool hung up before it was connected."
        connection = await self._dialer.dial(head.target)
        reader, writer = await asyncio.open_connection(sock=connection, limit=CHUNK)
        try:
            await (self._tunnel(head, reader, writer) if head.tunnel else self._forward(head, reader, writer))
        finally:
            await _close(writer)

    async def _tunnel(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._has_answered = True
        self._reason = "The tool hung up before it had greeted the server."
        await self._write(self._writer, _ESTABLISHED)
        try:
            async with asyncio.timeout(self._limits.head_seconds):
                raw, hello = await self._tool.client_hello()
        except TimeoutError:
            raise Refused("The tunnel was not used in time.", 408) from None
        check_server_name(parse_client_hello(hello), head.target.host)
        self._allow()
        await self._pass_both_ways(self._send_tunnel(raw, writer), reader)

    async def _forward(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._allow()
        await self._pass_both_ways(self._send_request(head, writer), reader)

    def _allow(self) -> None:
        self._verdict, self._reason = "allowed", ""
        self._moved = time.monotonic()

    async def _pass_both_ways(self, sending: Coroutine[Any, Any, None], reader: asyncio.StreamReader) -> None:
        """Until the host has said everything, or either way fails."""
        up, down = asyncio.ensure_future(sending), asyncio.ensure_future(self._receive(reader))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if up.done() and up.exception() is None:
                await asyncio.wait({down})
            for way in (up, down):
                if way.done():
                    way.result()
        finally:
            for way in (up, down):
                way.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _send_tunnel(self, first: bytes, writer: asyncio.StreamWriter) -> None:
        await self._send(first, writer)
        async for data in self._moving(self._tool.some):
            await self._send(data, writer)
        writer.write_eof()

    async def _send_request(self, head: Head, writer: asyncio.StreamWriter) -> None:
        """One request. What the tool sends after its body goes nowhere."""
        await self._send(head.forwarded, writer)
        body = self._tool.body(head.length)

        async def next_piece() -> bytes:
            return await anext(body, b"")

        async for piece in self._moving(next_piece):
            await self._send(piece, writer)

    async def _send(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        self._budget.send(len(data))
        self._sent += len(data)
        await self._write(writer, data)

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        async for data in self._moving(lambda: reader.read(CHUNK)):
            self._budget.receive(len(data))
            self._received += len(data)
            self._has_answered = True
            await self._write(self._writer, data)

    async def _moving(self, read: Callable[[], Coroutine[Any, Any, bytes]]) -> AsyncIterator[bytes]:
        """What comes, until its end. Raises: Refused when nothing moves either way for too long."""
        pending = asyncio.ensure_future(read())
        try:
            while True:
                left = self._moved + self._limits.idle_seconds - time.monotonic()
                done, _ = await asyncio.wait({pending}, timeout=max(0.0, left))
                if not done and time.monotonic() >= self._moved + self._limits.idle_seconds:
                    raise Refused("Nothing moved on the connection for too long.", 504)
                if done:
                    if not (data := pending.result()):
                        return
                    self._moved = time.monotonic()
                    yield data
                    pending = asyncio.ensure_future(read())
        finally:
            pending.cancel()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                await writer.drain()
        except TimeoutError:
            raise Refused("Nothing moved on the connection for too long.", 504) from None

    async def _answer(self, refusal: Refused) -> None:
        """Tell the tool, in the words of the protocol that it is at."""
        if self._has_answered and (self._verdict == "allowed" or not self._is_tunnel):
            return
        text = f"{refusal.reason}\n".encode("utf-8", "replace")
        title = HTTPStatus(refusal.status).phrase
        # Clients show the first line only: of a tunnel that is all they tell.
        said = refusal.reason.encode("ascii", "replace").decode()[:300] if self._is_tunnel or not self._target else title
        head = (
            f"HTTP/1.1 {refusal.status} {said}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError, Refused):
            await self._write(self._writer, _ACCESS_DENIED if self._has_answered else head.encode() + text)


async def _close(writer: asyncio.StreamWriter) -> None:
    """At once when the other side takes what is left; it is not waited for."""
    writer.close()
