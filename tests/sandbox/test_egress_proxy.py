"""The proxy of one box against servers on loopback: what passes, what is refused, what it tells, and that it ends."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox import Connection
from sandbox.egress import EgressLimits, EgressProxy, Policy, Target

HOST = "tools.example"
LOCAL = frozenset({HOST})
QUICK = EgressLimits(head_seconds=0.3, resolve_seconds=0.3, dial_seconds=0.3, idle_seconds=0.3)


@pytest.fixture
def server() -> Iterator["Server"]:
    with Server() as made:
        yield made


class Server:
    """Answers whatever comes with `answer`, and keeps what came."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        self.context: ssl.SSLContext | None = None
        self.stays = threading.Event()  # cleared: an answer ends the connection
        self.received: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._over = threading.Event()

    def __enter__(self) -> "Server":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        number = len(self.received)
        self.received.append(b"")
        with contextlib.suppress(OSError), connection:
            speaking = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            while data := speaking.recv(65536):
                self.received[number] += data
                if b"\r\n\r\n" in self.received[number]:
                    speaking.sendall(self.answer)
                    if not self.stays.is_set():
                        return
            self._over.wait(20)


class Proxied:
    """A proxy with the tool's end of it."""

    def __init__(self, path: Path, *, targets: set[Target], **more: Any) -> None:
        self.path = str(path / "egress")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(64)
        policy = Policy(frozenset(targets), more.pop("local", LOCAL))
        self.proxy = EgressProxy(listener, policy=policy, **{"resolve": lambda host, port: ["127.0.0.1"], **more})
        self.told: list[Connection] = []

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(self.path)
        return connection

    def ask(self, data: bytes) -> bytes:
        """Everything that is answered until the proxy hangs up."""
        with self.connect() as connection:
            with contextlib.suppress(BrokenPipeError):  # it may have hung up before it was asked anything
                connection.sendall(data)
            return read_all(connection)

    def records(self) -> list[Connection]:
        self.proxy.close()
        self.proxy.report(self.told.append)
        return self.told


def read_all(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


@pytest.fixture
def proxied(tmp_path: Path, server: Server) -> Iterator[Callable[..., Proxied]]:
    with contextlib.ExitStack() as stack:

        def make(**more: Any) -> Proxied:
            made = Proxied(tmp_path, **{"targets": {Target(HOST, server.port)}, **more})
            stack.callback(made.proxy.close)
            return made

        yield make


def get(server: Server, path: str = "/", *headers: str) -> bytes:
    lines = (f"GET http://{HOST}:{server.port}{path} HTTP/1.1", f"Host: {HOST}:{server.port}", *headers, "", "")
    return "\r\n".join(lines).encode()


def tunnel(server: Server) -> bytes:
    return f"CONNECT {HOST}:{server.port} HTTP/1.1\r\n\r\n".encode()


def test_a_request_is_passed_on_and_told(proxied, server: Server) -> None:
    made = proxied()
    assert made.ask(get(server, "/a?b=1")).endswith(b"hi")
    assert server.received[0].startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: tools.example:")
    (record,) = made.records()
    assert (record.host, record.port, record.verdict, record.reason) == (HOST, server.port, "allowed", "")
    assert (record.sent, record.received) == (len(server.received[0]), len(server.answer))


def test_what_follows_a_request_is_not_a_second_one(proxied, server: Server) -> None:
    smuggled = b"GET /admin HTTP/1.1\r\nHost: tools.example\r\n\r\n"
    made = proxied()
    made.ask(get(server, "/", "Content-Length: 3") + b"abc" + smuggled)
    assert server.received[0].endswith(b"\r\n\r\nabc") or server.received[0].endswith(b"\r\n\r\n")
    assert b"/admin" not in b"".join(server.received)


def test_a_body_in_chunks_is_read_and_written_anew(proxied, server: Server) -> None:
    server.stays.set()
    made = proxied(limits=QUICK)
    made.ask(get(server, "/", "Transfer-Encoding: chunked") + b"0005\r\nhello\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n")
    assert server.received[0].endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "body",
    [b"5;x=1\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello", b"5\r\nhelloX\r\n", b"5\nhello\r\n" + b"0" * 40, b"0\r\nX: trailer\r\n\r\n"],
)
def test_a_body_that_is_not_in_chunks_as_it_says_is_not_passed_on(proxied, server: Server, body: bytes) -> None:
    server.stays.set()
    made = proxied()
    made.ask(get(server, "/", "Transfer-Encoding: chunked") + body)
    (record,) = made.records()
    assert "chunks" in record.reason
    assert not b"".join(server.received).endswith(b"0\r\n\r\n")  # it may not even have been connected with


@pytest.mark.parametrize(
    "wanted",
    ["http://other.example/", "http://127.0.0.1/", "http://[::1]/", "http://2130706433/", "http://a@tools.example/", "/", "*"],
)
def test_what_was_not_granted_is_refused_and_told(proxied, wanted: str) -> None:
    made = proxied()
    assert made.ask(f"GET {wanted} HTTP/1.1\r\n\r\n".encode())[:12] in (b"HTTP/1.1 403", b"HTTP/1.1 400")
    (record,) = made.records()
    assert (record.verdict, record.sent, record.received) == ("refused", 0, 0)
    assert record.host
    assert record.reason


def test_nothing_is_resolved_or_dialled_for_what_is_not_granted(proxied) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("looked up")

    made = proxied(resolve=resolve)
    assert b"403" in made.ask(b"CONNECT other.example:443 HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::ffff:169.254.169.254"], ["64:ff9b::a00:1"], ["0.0.0.0"], ["fe80::1"]],
)
def test_a_granted_name_with_one_address_that_is_not_public_is_refused(proxied, server: Server, addresses: list[str]) -> None:
    made = proxied(resolve=lambda host, port: addresses, local=frozenset())
    assert b"HTTP/1.1 403" in made.ask(get(server))
    assert "public" in made.records()[0].reason
    assert server.received == []


def test_a_name_is_looked_up_once_so_that_it_cannot_change_after_the_check(proxied, server: Server) -> None:
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    assert proxied(resolve=resolve).ask(get(server)).endswith(b"hi")
    assert asked == [HOST]


def test_the_operators_list_names_one_port_or_all(proxied, server: Server) -> None:
    assert proxied(local=frozenset({f"{HOST}:{server.port}"})).ask(get(server)).endswith(b"hi")


@pytest.mark.parametrize("answers", [None, []], ids=["never", "with nothing"])
def test_a_name_that_is_answered_late_or_with_nothing_is_a_failure_in_time(proxied, server: Server, answers) -> None:
    waiting = threading.Event()
    made = proxied(limits=QUICK, resolve=lambda host, port: answers if answers is not None else [waiting.wait(20)])
    assert b"HTTP/1.1 502" in made.ask(get(server))
    assert made.records()[0].verdict == "failed"
    waiting.set()


def test_a_host_that_does_not_listen_is_a_failure(proxied, server: Server) -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    made = proxied(targets={Target(HOST, port)})
    assert b"HTTP/1.1 502" in made.ask(f"CONNECT {HOST}:{port} HTTP/1.1\r\n\r\n".encode())
    assert made.records()[0].verdict == "failed"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_tunnel_carries_tls_to_the_host_itself(proxied, server: Server, certificate: Path) -> None:
    server.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    made = proxied()
    with made.connect() as connection:
        connection.sendall(tunnel(server))
        assert connection.recv(200).startswith(b"HTTP/1.1 200 ")
        with trusting.wrap_socket(connection, server_hostname=HOST) as speaking:
            speaking.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert speaking.recv(200).endswith(b"hi")
    (record,) = made.records()
    assert record.verdict == "allowed"
    assert record.sent > 200


@pytest.mark.parametrize("name", ["evil.example", None])
def test_a_tunnel_whose_tls_greets_somebody_else_is_cut_before_a_byte_of_it_leaves(proxied, server: Server, name) -> None:
    careless = ssl.create_default_context()
    careless.check_hostname = False
    made = proxied()
    with made.connect() as connection:
        connection.sendall(tunnel(server))
        connection.recv(200)
        with pytest.raises(ssl.SSLError, match=r"(?i)access.denied"):
            careless.wrap_socket(connection, server_hostname=name)
    (record,) = made.records()
    assert (record.verdict, record.sent) == ("refused", 0)
    assert b"".join(server.received) == b""


def test_a_tunnel_carries_nothing_but_tls(proxied, server: Server) -> None:
    made = proxied()
    with made.connect() as connection:
        connection.sendall(tunnel(server) + b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
        read_all(connection)
    assert made.records()[0].verdict == "refused"
    assert b"".join(server.received) == b""


def test_a_head_without_end_is_refused_at_its_limit(proxied) -> None:
    made = proxied()
    with made.connect() as connection, pytest.raises(OSError, match=r"(?i)broken|reset"):
        connection.sendall(b"GET http://tools.example/ HTTP/1.1\r\nX: ")
        for _ in range(1000):
            connection.sendall(b"x" * 10_000)
    assert "16384 bytes" in made.records()[0].reason


def test_a_head_that_drips_is_refused_in_time(proxied) -> None:
    made = proxied(limits=QUICK)
    began = time.monotonic()
    with made.connect() as connection:
        connection.sendall(b"GET http://tools.example/ HTTP/1.1\r\n")
        assert b"HTTP/1.1 408" in read_all(connection)
    assert time.monotonic() - began < 5


def test_a_silent_connection_is_ended(proxied, server: Server) -> None:
    server.stays.set()
    made = proxied(limits=QUICK)
    assert made.ask(get(server)).endswith(b"hi")
    (record,) = made.records()
    assert (record.verdict, "Nothing moved" in record.reason) == ("allowed", True)


def test_bytes_of_all_connections_together_are_limited_each_way(proxied, server: Server) -> None:
    server.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 60_000
    made = proxied(limits=replace(QUICK, received_bytes=100_000, sent_bytes=5_000))
    assert len(made.ask(get(server))) > 60_000
    assert len(made.ask(get(server))) < 60_000
    made.ask(get(server, "/" + "a" * 6_000))
    reasons = sorted(record.reason for record in made.records())
    assert [reason.partition(" than")[0] for reason in reasons] == ["", "The run has received more", "The run has sent more"]


def test_connections_at_a_time_and_in_all_are_limited(proxied, server: Server) -> None:
    made = proxied(limits=EgressLimits(at_once=2, attempts=4))
    with made.connect() as one, made.connect() as two:
        one.sendall(b"GET ")
        two.sendall(b"GET ")
        assert b"HTTP/1.1 429" in made.ask(b"")
    assert made.ask(get(server)).endswith(b"hi")
    assert b"HTTP/1.1 429" in made.ask(b"")
    assert made.ask(b"") == b""
    assert len(made.records()) == 5


def test_closing_ends_what_is_open_at_once(proxied, server: Server) -> None:
    server.stays.set()
    made = proxied()
    with made.connect() as connection, made.connect() as silent:
        connection.sendall(get(server))
        assert connection.recv(200).endswith(b"hi")
        began = time.monotonic()
        records = made.records()
        assert time.monotonic() - began < 2
        assert read_all(connection) == read_all(silent) == b""
    assert sorted(record.verdict for record in records) == ["allowed", "refused"]


def test_what_a_tool_writes_is_told_short_and_harmless(proxied) -> None:
    made = proxied()
    made.ask(b"CONNECT \x1b[2J" + b"a" * 1000 + b":443 HTTP/1.1\r\n\r\n")
    (record,) = made.records()
    assert len(record.host) <= 100
    assert "\x1b" not in record.host + record.reason
