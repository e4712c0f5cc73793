"""A stream of bytes from a tool, read in the portions that a protocol asks for; what was read too far is kept."""

import asyncio
import re
from collections.abc import AsyncIterator

from sandbox.egress.client_hello import CLIENT_HELLO, HANDSHAKE, LARGEST_RECORD
from sandbox.egress.targets import Refused

CHUNK = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]{1,8}\Z")
_LONGEST_SIZE_LINE = 16


class Incoming:
    """The tool's side of one connection. Every method raises EOFError when the tool hangs up too early."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._ahead = b""

    async def some(self) -> bytes:
        """What there is; empty at the end."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return data
        return await self._reader.read(CHUNK)

    async def head(self, most: int) -> bytes:
        """Everything before the empty line. Raises: Refused when it is longer than `most`."""
        return await self._until(_END_OF_HEAD, most, Refused(f"A request's head has at most {most} bytes.", 431))

    async def client_hello(self) -> tuple[bytes, bytes]:
        """The bytes as they came, whole records, and the first handshake message in them. Raises: Refused."""
        raw, message = b"", b""
        while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
            header = await self._exactly(5)
            length = int.from_bytes(header[3:5])
            if header[0] != HANDSHAKE or header[1] != 3 or not 0 < length <= LARGEST_RECORD:
                raise Refused("What came through the tunnel is not the beginning of TLS.", 400)
            content = await self._exactly(length)
            raw, message = raw + header + content, message + content
            if message[0] != CLIENT_HELLO or len(message) > 2 * LARGEST_RECORD:
                raise Refused("What came through the tunnel is not the beginning of TLS.", 400)
        return raw, message[4 : 4 + int.from_bytes(message[1:4])]

    async def body(self, length: int | None) -> AsyncIterator[bytes]:
        """The body in pieces, ready to be sent on: so many bytes, or chunks, which are read and written anew."""
        if length is None:
            async for piece in self._chunks():
                yield piece
            return
        while length:
            piece = await self._at_most(length)
            length -= len(piece)
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        broken = Refused("The request's body is not in chunks as it says.", 400)
        while True:
            line = await self._until(b"\r\n", _LONGEST_SIZE_LINE, broken)
            if not _SIZE_LINE.match(line):
                raise broken
            left = int(line, 16)
            yield b"%x\r\n" % left
            while left:
                piece = await self._at_most(left)
                left -= len(piece)
                yield piece
            if await self._exactly(2) != b"\r\n":  # also after the last chunk: trailers are not passed on
                raise broken
            yield b"\r\n"
            if int(line, 16) == 0:
                return

    async def _at_most(self, count: int) -> bytes:
        data = await self.some()
        if not data:
            raise EOFError
        self._ahead = data[count:]
        return data[:count]

    async def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += await self._at_most(count - len(data))
        return data

    async def _until(self, mark: bytes, most: int, too_long: Refused) -> bytes:
        data = b""
        while (end := data.find(mark)) < 0:
            if len(data) > most:
                raise too_long
            data += await self._at_most(CHUNK)
        if end > most:
            raise too_long
        self._ahead = data[end + len(mark) :] + self._ahead
        return data[:end]
