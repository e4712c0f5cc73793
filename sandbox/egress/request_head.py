"""Reads the head of a proxy request, strictly: what two servers could read in two ways is refused, not put right."""

import re
from dataclasses import dataclass

from sandbox.egress.targets import HTTP, HTTPS, Refused, Target, parse_authority

_METHOD = re.compile(r"[A-Z][A-Z-]{0,19}\Z")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)\Z")
_PATH = re.compile(r"[\x21-\x7e]*\Z")
_LENGTH = re.compile(r"[0-9]{1,15}\Z")
# What concerns one connection only, and what speaks to a proxy, goes no further.
_OWN = {"connection", "proxy-connection", "keep-alive", "proxy-authorization", "te", "trailer", "upgrade", "host"}
_SCHEME = "http://"


@dataclass(frozen=True)
class Head:
    """A request that can be served. `tunnel`: by CONNECT; otherwise `forwarded` goes to the host, then its body.

    `length` is None when the body comes in chunks.
    """

    target: Target
    tunnel: bool
    forwarded: bytes = b""
    length: int | None = 0


def parse_head(data: bytes) -> Head:
    """Everything before the empty line.

    Raises: Refused.
    """
    first, *rest = data.decode("latin-1").split("\r\n")
    method, wanted, version = _request_line(first)
    headers = [_header(line) for line in rest]
    if method == "CONNECT":
        return Head(parse_authority(wanted), tunnel=True)
    target, path = _absolute(wanted)
    if target.port == HTTPS:
        raise Refused(f"{target.host} is reached on port {HTTPS} by https:// only.")
    _check_host(headers, target)
    length = _body_length(headers, version)
    return Head(target, tunnel=False, forwarded=_forwarded(method, path, target, headers), length=length)


def _request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not _METHOD.match(parts[0]) or parts[2] not in ("HTTP/1.0", "HTTP/1.1"):
        raise Refused("This is no request of HTTP/1.1.", 400)
    return parts[0], parts[1], parts[2]


def _header(line: str) -> tuple[str, str]:
    found = _HEADER.match(line)
    if not found:
        raise Refused("The request has a header line that is none.", 400)
    return found[1], found[2].strip(" \t")


def _absolute(wanted: str) -> tuple[Target, str]:
    """Host and path of `http://host/path`. Everything else is CONNECT's, or nobody's."""
    if not wanted.lower().startswith(_SCHEME):
        raise Refused("A proxy is asked by CONNECT for https, or with the whole http:// address.", 400)
    rest = wanted[len(_SCHEME) :]
    end = min((place for mark in "/?#" if (place := rest.find(mark)) >= 0), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not _PATH.match(path) or "#" in path:
        raise Refused("The address holds characters that an address cannot have.", 400)
    return parse_authority(authority, default_port=HTTP), path if path.startswith("/") else f"/{path}"


def _check_host(headers: list[tuple[str, str]], target: Target) -> None:
    """A Host header that names another host would be what the server goes by."""
    named = _values(headers, "host")
    if len(named) > 1 or (named and parse_authority(named[0], default_port=HTTP) != target):
        raise Refused("The request's Host header names another host than its address.", 400)


def _body_length(headers: list[tuple[str, str]], version: str) -> int | None:
    lengths, codings = _values(headers, "content-length"), _values(headers, "transfer-encoding")
    if codings:
        if lengths or codings != ["chunked"] or version != "HTTP/1.1":
            raise Refused("The request tells the end of its body in two ways, or in none that is known.", 400)
        return None
    if len(lengths) > 1 or not all(_LENGTH.match(length) for length in lengths):
        raise Refused("The request's Content-Length is no single number.", 400)
    return int(lengths[0]) if lengths else 0


def _forwarded(method: str, path: str, target: Target, headers: list[tuple[str, str]]) -> bytes:
    """One request for one connection: the answer's end is the connection's."""
    named = {name.strip().lower() for value in _values(headers, "connection") for name in value.split(",")}
    # Where the body ends is what this proxy goes by; nobody names it away.
    dropped = (_OWN | named) - {"content-length", "transfer-encoding"}
    host = target.host if target.port == HTTP else f"{target.host}:{target.port}"
    kept = [f"{name}: {value}" for name, value in headers if name.lower() not in dropped]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *kept, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _values(headers: list[tuple[str, str]], wanted: str) -> list[str]:
    return [value for name, value in headers if name.lower() == wanted]
