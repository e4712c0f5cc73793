"""The frames that box and host exchange: u32 length, u8 type, payload. Spoken by both sides, so kept in one place."""

import json
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Any

PROTOCOL = 5
HEADER = struct.Struct(">IB")
CHUNK = 64 * 1024

# Host to box.
RUN, BUILD, FILE, REPLY, PING, KEEP, IMPORT = 64, 65, 66, 67, 68, 69, 70
# Box to host, about the box itself.
READY, STARTED, RESULT, ERROR, EXIT, PONG, IMPORTED = 1, 2, 3, 4, 5, 6, 7
# Box to host, passed on from the tool's pipes.
STDOUT, STDERR, SPAN_STARTED, SPAN_ENDED, SPANS_DROPPED, PROGRESS, LOG, REQUEST, ITEM = 10, 11, 12, 13, 14, 15, 16, 17, 18
ARTIFACT_STARTED, ARTIFACT_DATA, ARTIFACT_ENDED, ARTIFACT_SKIPPED, ARTIFACT_ABANDONED = 20, 21, 22, 23, 24
# Box to host, from a build: the files that follow are of this wheel.
WHEEL = 30

# A write of at most this many bytes to a pipe is never mixed with another process's (POSIX PIPE_BUF on Linux).
ATOMIC = 4096
SMALL, LARGE = ATOMIC - HEADER.size, 8 << 20
TOKEN = 8

# Questions of the tool that may wait for their answers at the same time, and their bytes together: read, JSON can take
# some thirty times its text in the memory of the host.
OUTSTANDING, OUTSTANDING_BYTES = 32, 4 << 20

MOST_ITEMS = 10_000
"""Of a result that comes item by item: each is a row at the host."""

# The most bytes that a payload of each type may have. What is not in a table is not accepted there.
TOOL_FRAMES: Mapping[int, int] = {
    SPAN_STARTED: SMALL,
    SPAN_ENDED: SMALL,
    SPANS_DROPPED: SMALL,
    PROGRESS: SMALL,
    LOG: SMALL,
    REQUEST: 1 << 20,
    ITEM: 1 << 20,
    ARTIFACT_STARTED: SMALL,
    ARTIFACT_DATA: SMALL,
    ARTIFACT_ENDED: SMALL,
    ARTIFACT_ABANDONED: SMALL,
}
RESULT_FRAMES: Mapping[int, int] = {RESULT: LARGE, ERROR: 256 * 1024}
FILE_FRAMES: Mapping[int, int] = {
    ARTIFACT_STARTED: SMALL,
    ARTIFACT_DATA: CHUNK,
    ARTIFACT_ENDED: SMALL,
    ARTIFACT_SKIPPED: SMALL,
}
BOX_FRAMES: Mapping[int, int] = {
    READY: 16 * 1024,
    STARTED: SMALL,
    EXIT: SMALL,
    PONG: TOKEN,
    IMPORTED: 0,
    WHEEL: SMALL,
    STDOUT: CHUNK,
    STDERR: CHUNK,
    **TOOL_FRAMES,
    **RESULT_FRAMES,
    **FILE_FRAMES,
}
HOST_FRAMES: Mapping[int, int] = {
    RUN: 64 << 20,
    BUILD: SMALL,
    FILE: CHUNK,
    REPLY: 4 << 20,
    PING: TOKEN,
    KEEP: 0,
    IMPORT: 64 << 20,
}


class ProtocolError(Exception):
    """The other side sent what the protocol does not know. There is no way to go on."""


def is_plain_name(name: str) -> bool:
    """Whether a file may be handed over under this name: a relative path of plain parts. Asked on both sides."""
    parts = name.split("/")
    return name.isprintable() and len(name) <= 255 and "\\" not in name and not any(part in ("", ".", "..") for part in parts)


def frame(kind: int, payload: bytes = b"") -> bytes:
    """One frame, ready to send."""
    return HEADER.pack(len(payload), kind) + payload


def frame_json(kind: int, value: Any) -> bytes:
    """One frame with a JSON payload."""
    return frame(kind, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def write_all(descriptor: int, data: bytes) -> None:
    """Write to a pipe until everything is in it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def receive(connection: socket.socket, accepted: Mapping[int, int]) -> Iterator[tuple[int, bytes]]:
    """The frames that come over a blocking connection, until the other side hangs up.

    Raises: ProtocolError.
    """
    reader = FrameReader(accepted)
    while data := connection.recv(CHUNK):
        yield from reader.feed(data)


class FrameReader:
    """Cuts a byte stream into frames. Knows no sockets; holds at most one frame and what was fed with it."""

    def __init__(self, accepted: Mapping[int, int]) -> None:
        self.accepted = accepted
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are whole now. A frame is refused by its header, before its payload is waited for.

        Raises: ProtocolError for an unknown type or a payload over its type's cap.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, kind = HEADER.unpack_from(self._buffer)
            if kind not in self.accepted:
                raise ProtocolError(f"unknown frame type {kind}")
            if length > self.accepted[kind]:
                raise ProtocolError(f"frame of type {kind} claims {length} bytes")
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            yield kind, payload

    @property
    def in_the_middle(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer)
