"""What the proxy of a box makes of names, addresses, request heads and greetings. As an attacker would write them."""

import ipaddress
import ssl

import pytest

from sandbox.egress.addresses import is_global, is_own
from sandbox.egress.client_hello import check_server_name, parse_client_hello
from sandbox.egress.request_head import parse_head
from sandbox.egress.targets import Policy, Refused, Target, parse_authority, parse_grant

API = Target("api.example.org", 443)
POLICY = Policy(frozenset({API, Target("plain.example.org", 80), Target("xn--bcher-kva.example", 443)}))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("api.example.org", API),
        ("api.example.org:443", API),
        ("api.example.org:8443", Target("api.example.org", 8443)),
        ("plain.example.org:80", Target("plain.example.org", 80)),
        ("xn--bcher-kva.example", Target("xn--bcher-kva.example", 443)),
    ],
)
def test_a_host_is_granted_by_its_whole_name_and_port(text: str, target: Target) -> None:
    assert parse_grant(text) == target
    assert parse_grant(str(target)) == target


@pytest.mark.parametrize(
    "text",
    [
        "", "example", "localhost", "*.example.org", "API.example.org", "api.example.org.", "https://api.example.org", "a..b",
        "api.example.org/path", "user@api.example.org", "bücher.example", "-a.example.org", "api.example.org:22",
        "api.example.org:0", "api.example.org:70000", "api.example.org:", "api.example.org:0443", "api.example.org:443:443",
        "127.0.0.1", "127.1", "1.2.3.0x4", "[::1]", "::1", "api.example.org\n", "api example.org", f"{'a' * 64}.org",
    ],
)  # fmt: skip
def test_what_is_no_plain_name_cannot_be_granted(text: str) -> None:
    with pytest.raises(ValueError, match=r"“"):
        parse_grant(text)


@pytest.mark.parametrize("text", ["api.example.org:443", "API.Example.ORG:443", "api.example.org.:443"])
def test_case_and_a_dot_at_the_end_do_not_make_another_host(text: str) -> None:
    POLICY.check(parse_authority(text))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:443", "0:443", "0x7f000001:443", "2130706433:443", "127.1:443", "0177.0.0.1:443", "0x7f.1:443",
        "[::1]:443", "[::ffff:10.0.0.1]:443", "[64:ff9b::a00:1]:443", "[2002:a00:1::1]:443", "[2001:0:1::1]:443",
        "100.64.0.1:443", "255.255.255.255:443", "[ff02::2]:443", "169.254.169.254:80", "1.1.1.1:443", "127.0.0.1.:443",
    ],
)  # fmt: skip
def test_an_address_in_any_spelling_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="address"):
        POLICY.check(parse_authority(text))


@pytest.mark.parametrize(
    "text",
    [
        "api.example.org:22", "api.example.org:0", "api.example.org:70000", "api.example.org", "api.example.org:",
        "api.example.org:443:443", "api.example.org:+443", "api.example.org:0443", "api.example.org: 443",
        "a@api.example.org:443",
        "api.example.org@evil.example:443", "api.example.org..:443", ".api.example.org:443", "evil.api.example.org:443",
        "api.example.org.evil.com:443", "*.example.org:443", "apiexample.org:443", "\u0430pi.example.org:443",
        "bücher.example:443",
        "api\u3002example\u3002org:443",
        "\uff41pi.example.org:443", "api.example.org\x00.evil.com:443", "api.example.org%00:443", ":443", "",
        "localhost:443", "plain.example.org:443", "api.example.org:80", "XN--BCHER-KVA.example.org:443", "\u0131.example.org:443",
    ],
)  # fmt: skip
def test_only_the_exact_host_and_port_passes(text: str) -> None:
    with pytest.raises(Refused):
        POLICY.check(parse_authority(text))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "0.1.2.3", "192.0.0.1",
        "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fec0::1", "fd00::1", "ff02::2",
        "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1", "2001:0:a00:1::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_told(address: str) -> None:
    assert not is_global(ipaddress.ip_address(address))


def test_an_address_of_this_machine_is_its_own() -> None:
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("1.1.1.1"))


def head_of(first: str, *headers: str) -> bytes:
    return "\r\n".join((first, *headers)).encode("latin-1")


def test_a_request_is_written_anew_without_what_speaks_to_a_proxy() -> None:
    head = parse_head(
        head_of(
            "POST http://Plain.example.org/a?b=1 HTTP/1.1",
            "Host: plain.example.org",
            "Proxy-Authorization: Basic eDp5",
            "Connection: keep-alive, X-Mine, Content-Length",
            "X-Mine: 1",
            "Content-Length: 3",
            "X-Kept: yes",
        )
    )
    assert head.target == Target("plain.example.org", 80)
    assert head.length == 3
    assert head.forwarded == (
        b"POST /a?b=1 HTTP/1.1\r\nHost: plain.example.org\r\nContent-Length: 3\r\nX-Kept: yes\r\nConnection: close\r\n\r\n"
    )


GET = "GET http://plain.example.org/ HTTP/1.1"


@pytest.mark.parametrize(
    "data",
    [
        head_of(GET, "Content-Length: 3", "Transfer-Encoding: chunked"),
        head_of(GET, "Content-Length: 3", "Content-Length: 3"),
        head_of(GET, "Content-Length: 3, 3"),
        head_of(GET, "Content-Length: +3"),
        head_of(GET, "Content-Length: 0x3"),
        head_of(GET, "Transfer-Encoding: gzip, chunked"),
        head_of(GET, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        head_of(GET, "Transfer-Encoding : chunked"),
        head_of(GET, "Transfer-Encoding:\x0bchunked"),
        head_of("GET http://plain.example.org/ HTTP/1.0", "Transfer-Encoding: chunked"),
        head_of(GET, "X: 1\n Y: 2"),
        head_of(GET, "X: 1", " folded: 2"),
        head_of(GET, "X: a\rb"),
        head_of(GET, "X: a\x00b"),
        head_of(GET, ": nameless"),
        head_of(GET, "no colon"),
        head_of(GET, "Host: evil.example"),
        head_of(GET, "Host: plain.example.org", "Host: evil.example"),
        head_of("GET http://plain.example.org/ HTTP/2.0"),
        head_of("GET  http://plain.example.org/ HTTP/1.1"),
        head_of("GET http://plain.example.org/ x HTTP/1.1"),
        head_of("GET http://plain.example.org/\ta HTTP/1.1"),
        head_of("get http://plain.example.org/ HTTP/1.1"),
        head_of("GET / HTTP/1.1", "Host: plain.example.org"),
        head_of("GET https://api.example.org/ HTTP/1.1"),
        head_of("GET ftp://plain.example.org/ HTTP/1.1"),
        head_of("GET http://api.example.org:443/ HTTP/1.1"),
        head_of("GET http://plain.example.org\\@evil.example/ HTTP/1.1"),
        head_of("GET http://plain.example.org#@evil.example/ HTTP/1.1"),
        head_of("CONNECT http://api.example.org:443 HTTP/1.1"),
        b"\x16\x03\x01\x02\x00\x01",
        b"",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        POLICY.check(parse_head(data).target)


def hello_of(name: str | None) -> bytes:
    """What Python's own client would greet a server with, without record and handshake headers."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()[9:]


def with_extension(hello: bytes, kind: int, content: bytes = b"") -> bytes:
    """The same greeting with one more extension in front."""
    at = 34
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2])
    at += 1 + hello[at]
    added = kind.to_bytes(2) + len(content).to_bytes(2) + content
    return hello[:at] + (int.from_bytes(hello[at : at + 2]) + len(added)).to_bytes(2) + added + hello[at + 2 :]


def test_a_greeting_of_the_host_that_was_asked_for_passes() -> None:
    check_server_name(parse_client_hello(hello_of("api.example.org")), "api.example.org")


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        (hello_of("evil.example"), "another server"),
        (hello_of(None), "names no server"),
        (with_extension(hello_of("api.example.org"), 0xFE0D, b"hidden"), "hides"),
        (with_extension(hello_of("api.example.org"), 0, b"\x00\x0f\x00\x00\x0cevil.example"), "more than one"),
        (hello_of("api.example.org")[:60], "not the beginning of TLS"),
        (b"\xff" * 200, "not the beginning of TLS"),
        (b"", "not the beginning of TLS"),
    ],
    ids=["another name", "no name", "hidden name", "two names", "cut off", "rubbish", "nothing"],
)
def test_a_greeting_that_leads_elsewhere_is_refused(hello: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said):
        check_server_name(parse_client_hello(hello), "api.example.org")
