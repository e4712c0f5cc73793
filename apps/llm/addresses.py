"""Where a model server may be. A workspace chooses base URLs, so they are hostile: only global addresses over https,
unless the operator has allowed the host. Pure checks; `checked_http` makes the connections."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from apps.core.errors import Invalid
from sandbox.egress.addresses import is_allowed_local, is_global


class AddressRefused(Invalid):
    """The address must not be connected to. Its text is a sentence for a person."""

    code = "address_refused"


def check_base_url(url: str, *, allowed: frozenset[str]) -> None:
    """Raises: AddressRefused for a base URL that cannot be right, before anything is resolved."""
    parts, port = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressRefused("A base URL begins with https:// (or http://) and names a host.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("A base URL carries no user name or password; give the key in its own field.")
    if parts.query or parts.fragment:
        raise AddressRefused("A base URL has no ? and no #.")
    if parts.scheme == "http" and not is_allowed_local(parts.hostname, port, allowed):
        raise AddressRefused(
            f"Plain http is only for hosts that the operator allows, and {parts.hostname}:{port} is not one of them."
            " Use https, or ask the operator to add it to SELFSMITH_LLM_ALLOWED_LOCAL_HOSTS."
        )


def check_host(url: str, *, allowed: frozenset[str]) -> None:
    """Resolves the host of a base URL. Raises: AddressRefused, OSError when it cannot be resolved."""
    parts, port = _split(url)
    resolve(parts.hostname or "", port, allowed=allowed)


def resolve(host: str, port: int, *, allowed: frozenset[str]) -> list[str]:
    """The addresses to connect to. All must be fit, not one of them: a mixed answer is an attack or a mistake.

    Raises: AddressRefused, OSError when the name cannot be resolved.
    """
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if is_allowed_local(host, port, allowed):
        return found
    for text in found:
        if not is_global(ipaddress.ip_address(text.partition("%")[0])):
            raise AddressRefused(
                f"{host}:{port} is {text}, which is not a public address. The operator can allow it in"
                " SELFSMITH_LLM_ALLOWED_LOCAL_HOSTS."
            )
    return found


def _split(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        return parts, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise AddressRefused(f"This is no URL: {error}.") from error
