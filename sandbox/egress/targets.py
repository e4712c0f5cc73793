"""Names and ports: how a grant is written, what a tool may ask for, and whether the two are the same."""

import re
from dataclasses import dataclass

from sandbox.egress.addresses import is_allowed_local

HTTPS, HTTP = 443, 80
LONGEST_SHOWN = 100  # characters of what a tool wrote, in a record or a sentence
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
# What any resolver would read as a number and so as an address: 1, 127.1, 0x7f000001, 1.2.3.0x4.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")


class Refused(Exception):
    """The connection is not made. Its text is a sentence for the tool's author; `status` is the answer by HTTP."""

    def __init__(self, reason: str, status: int = 403) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


@dataclass(frozen=True, order=True)
class Target:
    """One port of one host. The name is ASCII, in lower case, without a dot at its end."""

    host: str
    port: int

    def __str__(self) -> str:
        """As grants are written: the usual port goes without saying."""
        return self.host if self.port == HTTPS else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Policy:
    """The targets of one job. `local` are the operator's words: names that may be at an address that is not public."""

    targets: frozenset[Target]
    local: frozenset[str] = frozenset()

    def check(self, target: Target) -> None:
        """Raises: Refused."""
        if target not in self.targets:
            granted = ", ".join(sorted(map(str, self.targets))) or "none"
            raise Refused(f"{target.host}:{target.port} is not among the hosts that were granted ({granted}).")

    def may_be_local(self, target: Target) -> bool:
        return is_allowed_local(target.host, target.port, self.local)


def parse_grant(text: str) -> Target:
    """A host as a function asks for it: `name`, which means its port 443, or `name:port`. Nothing is put right silently.

    Raises: ValueError with a sentence for whoever wrote it.
    """
    host, colon, port = text.partition(":")
    if not _NAME.match(host) or "/" in text:
        raise ValueError(
            f"“{shown(text)}” is no host: write a name such as api.example.org, in small letters and without https:// or path."
        )
    if _NUMBER.match(host.rpartition(".")[2]):
        raise ValueError(f"“{shown(text)}” is an address. Hosts are granted by name.")
    if "." not in host:
        raise ValueError(f"“{shown(text)}” is no whole name: it has no dot, and each network would mean another host.")
    if not colon:
        return Target(host, HTTPS)
    number = int(port) if _PORT.match(port) else 0
    if number not in (HTTP, HTTPS) and not 1024 <= number <= 65535:
        raise ValueError(f"“{shown(text)}” has no port that a web server uses: 443, 80, or one from 1024 to 65535.")
    return Target(host, number)


def parse_authority(text: str, *, default_port: int | None = None) -> Target:
    """What a tool asks to be connected with. Case and one dot at the end do not matter; every other spelling does.

    Raises: Refused.
    """
    if "@" in text:
        raise Refused("A host is asked for without user name or password.", 400)
    if text.startswith("["):
        raise Refused(f"{shown(text)} is an address. Hosts are reached by name only.")
    host, _, port = text.partition(":")
    host = host.lower().removesuffix(".") if host.isascii() else host
    if _NUMBER.match(host.rpartition(".")[2]):
        raise Refused(f"{shown(text)} is an address. Hosts are reached by name only.")
    if not _NAME.match(host):
        raise Refused(f"“{shown(text)}” is no host's name.", 400)
    if not port and text[-1:] != ":" and default_port is not None:
        return Target(host, default_port)
    if not _PORT.match(port) or int(port) > 65535:
        raise Refused(f"“{shown(text)}” has no port that can be connected to.", 400)
    return Target(host, int(port))


def shown(text: str) -> str:
    """Somebody else's text within a sentence of ours: short, and nothing in it that moves the cursor or the eye."""
    # The mark tells what masks secrets that one may go on here.
    short = text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in short)
