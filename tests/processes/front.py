"""The proxy with TLS that stands before production processes in tests.

It is as unkind as an operator's may be: each request goes to another web process than the one before it, and the
sockets of a page go to another than the page came from.
"""

import asyncio
import datetime
import ipaddress
import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
HEAD_BYTES = 64 * 1024
PIECE = 64 * 1024  # bytes
LASTS = datetime.timedelta(days=1)
OUR_OWN = ("connection", "x-forwarded-proto")  # headers that a client may not choose


@dataclass(frozen=True)
class Passed:
    """A request and the web process that answered it."""

    path: str
    is_socket: bool
    web: str


@dataclass
class Front:
    """Where people reach the webs (name → port). `passed` tells which request went where."""

    webs: Mapping[str, int]
    certificate: Path
    passed: list[Passed] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server = field(init=False)
    _pages: dict[str, str] = field(default_factory=dict)  # session → the web that its last page came from

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    async def open(self) -> None:
        """Takes connections from now on, at a port that was free."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate)
        self._server = await asyncio.start_server(self._take, HOST, 0, ssl=context, limit=HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for each in open_ones:
            each.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection. A web that is gone means a connection that ends, as for a client without a proxy."""
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            first, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            given = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
            path, is_socket = first.split(" ")[1].partition("?")[0], "upgrade" in given
            web = self._choose(given, is_socket=is_socket)
            self.passed.append(Passed(path, is_socket, web))
            kept = [line for line in headers if line.partition(":")[0].lower() not in OUR_OWN]
            ours = ["X-Forwarded-Proto: https", f"Connection: {'Upgrade' if is_socket else 'close'}"]
            from_web, to_web = await asyncio.open_connection(HOST, self.webs[web])
            to_web.write("\r\n".join([first, *kept, *ours, "", ""]).encode("latin-1"))
            await _both_ways((reader, to_web), (from_web, writer))
        writer.close()

    def _choose(self, headers: Mapping[str, str], *, is_socket: bool) -> str:
        names = list(self.webs)
        session = next((word for word in headers.get("cookie", "").split("; ") if word.startswith("sessionid=")), "")
        before = self._pages.get(session, "") if is_socket else (self.passed[-1].web if self.passed else "")
        web = names[(names.index(before) + 1) % len(names)] if before else names[0]
        if headers.get("sec-fetch-dest") == "document":
            self._pages[session] = web
        return web


async def _both_ways(
    up: tuple[asyncio.StreamReader, asyncio.StreamWriter], down: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Until either side ends: HTTP's answer is complete then, and a socket has nobody to speak to."""
    pipes = [asyncio.create_task(_pipe(*each)) for each in (up, down)]
    try:
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pipe in pipes:
            pipe.cancel()
        up[1].close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


@contextmanager
def stand_before(webs: Mapping[str, int], certificate: Path) -> Iterator[Front]:
    """A front that runs, in a thread of its own."""
    front, loop = Front(webs, certificate), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(front.open(), loop).result()
        yield front
        asyncio.run_coroutine_threadsafe(front.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def make_certificate(path: Path) -> None:
    """A certificate that speaks for this machine's loopback address and for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - LASTS, now + LASTS)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM))


@contextmanager
def trusted(certificate: Path) -> Iterator[None]:
    """What is started inside trusts it besides what this process trusts already, and asks no proxy about this machine."""
    known = Path(os.environ.get("SSL_CERT_FILE", certifi.where())).read_text()
    both = certificate.with_suffix(".trusted")
    both.write_text(known + certificate.read_text().partition("-----END PRIVATE KEY-----\n")[2])
    with pytest.MonkeyPatch.context() as changes:
        changes.setenv("SSL_CERT_FILE", str(both))
        changes.setenv("NO_PROXY", ",".join(filter(None, [os.environ.get("NO_PROXY"), HOST])))
        yield
