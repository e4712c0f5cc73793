"""Reads the name from the first message of TLS, so that a granted host's tunnel leads to that host's name and no other."""

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.egress.targets import Refused

HANDSHAKE, CLIENT_HELLO = 22, 1
LARGEST_RECORD = 1 << 14
_SERVER_NAME = 0
# Encrypted ClientHello and its forerunners: the name that counts would be one that nobody outside can read.
_ENCRYPTED = {0xFE08, 0xFE09, 0xFE0A, 0xFE0D, 0xFFCE}


@dataclass(frozen=True)
class ClientHello:
    """`server_name` is None when the client names nobody."""

    server_name: str | None
    is_encrypted: bool


def check_server_name(hello: ClientHello, host: str) -> None:
    """Raises: Refused unless the client greets exactly the host that it asked to be connected with."""
    if hello.is_encrypted:
        raise Refused("The TLS client hides the server's name (ECH), so nobody can tell where the connection leads.")
    if hello.server_name is None:
        raise Refused("The TLS client names no server (SNI), so nobody can tell where the connection leads.")
    if hello.server_name.lower().removesuffix(".") != host:
        raise Refused(f"The TLS client asked for {host} and then greeted another server.")


def parse_client_hello(body: bytes) -> ClientHello:
    """The handshake message without its header of four bytes.

    Raises: Refused when it is none.
    """
    try:
        return _parse(_Cursor(body))
    except (IndexError, UnicodeDecodeError):
        raise Refused("What came through the tunnel is not the beginning of TLS.", 400) from None


def _parse(cursor: "_Cursor") -> ClientHello:
    cursor.skip(2 + 32)  # version and random
    cursor.skip(cursor.number(1))  # session
    cursor.skip(cursor.number(2))  # ciphers
    cursor.skip(cursor.number(1))  # compressions
    if cursor.is_at_end:
        return ClientHello(None, is_encrypted=False)
    names: list[str] = []
    is_encrypted = False
    for kind, content in _extensions(_Cursor(cursor.take(cursor.number(2)))):
        is_encrypted |= kind in _ENCRYPTED
        if kind == _SERVER_NAME:
            names += _names(_Cursor(content))
    if len(names) > 1:
        raise Refused("The TLS client names more than one server.", 400)
    return ClientHello(names[0] if names else None, is_encrypted)


def _extensions(cursor: "_Cursor") -> Iterator[tuple[int, bytes]]:
    while not cursor.is_at_end:
        kind = cursor.number(2)
        yield kind, cursor.take(cursor.number(2))


def _names(cursor: "_Cursor") -> Iterator[str]:
    entries = _Cursor(cursor.take(cursor.number(2)))
    while not entries.is_at_end:
        entries.skip(1)  # the kind of name; there is only one
        yield entries.take(entries.number(2)).decode("ascii")


class _Cursor:
    """Reads forwards; raises IndexError where there is nothing left."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise IndexError(count)
        self._at += count
        return self._data[self._at - count : self._at]

    def skip(self, count: int) -> None:
        self.take(count)

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))
