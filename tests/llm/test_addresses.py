"""Where a workspace's model server may be. As an attacker would try it."""

import ipaddress
import socket

import pytest

from apps.llm.addresses import AddressRefused, check_base_url, is_global, resolve

LOCAL = frozenset({"127.0.0.1:11434", "models.lan"})


@pytest.mark.parametrize("url", ["https://models.example.com/v1", "http://127.0.0.1:11434", "http://models.lan:8000/v1"])
def test_usable_base_urls(url: str) -> None:
    check_base_url(url, allowed=LOCAL)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com", "begins with https"),
        ("file:///etc/passwd", "begins with https"),
        ("https://", "names a host"),
        ("https://user:secret@example.com", "no user name"),
        ("https://example.com/v1?to=other", "has no ?"),
        ("https://example.com/v1#x", "has no ?"),
        ("http://example.com/v1", "Plain http"),
        ("http://127.0.0.1:6379", "Plain http"),
        ("https://example.com:99999", "no URL"),
        ("https://[::1", "no URL"),
    ],
)
def test_refused_base_urls(url: str, said: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        check_base_url(url, allowed=LOCAL)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses(address: str) -> None:
    assert is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "0"])
def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        resolve(host, 443, allowed=LOCAL)


def test_one_private_address_among_public_ones_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        resolve("mixed.example.com", 443, allowed=LOCAL)


def test_an_allowed_port_does_not_open_the_others() -> None:
    assert resolve("127.0.0.1", 11434, allowed=LOCAL) == ["127.0.0.1"]
    with pytest.raises(AddressRefused):
        resolve("127.0.0.1", 6379, allowed=LOCAL)
