"""Which addresses are public. Used for every address that somebody hostile can choose, be it a tool's or a model server's."""

import ipaddress
import socket

# Prefixes in which an IPv4 address hides inside a global-looking IPv6 one: 6to4 (RFC 3056) and Teredo (RFC 4380). NAT64
# (RFC 6052, 8215) and IPv4-compatible addresses lie outside of what is unicast on the internet at all.
_TRANSLATED = tuple(ipaddress.ip_network(prefix) for prefix in ("2002::/16", "2001::/32"))
_UNICAST = ipaddress.ip_network("2000::/3")

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_allowed_local(host: str, port: int, allowed: frozenset[str]) -> bool:
    """Whether the operator's list names the host, as `host` (any port) or `host:port`."""
    name = host.lower().rstrip(".")
    return name in allowed or f"{name}:{port}" in allowed


def is_global(address: Address) -> bool:
    """Whether anybody on the internet could be meant: not this host, its networks, a broadcast, or a hidden one of these."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_global(address.ipv4_mapped)
        if address not in _UNICAST or any(address in prefix for prefix in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast


def is_own(address: Address) -> bool:
    """Whether the address is one of this machine's own, public as it may be: only such can be bound to."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
