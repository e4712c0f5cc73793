"""What an author states about a version beside its source, and the checks that need no database."""

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from apps.approvals.models import ApprovalRequest
from apps.core.errors import Invalid
from apps.functions.handling import clean_handling
from apps.functions.limits import Amount, check_limits
from apps.functions.logging import clean_logging
from apps.functions.models import FunctionVersion, Isolation, Origin, RetryClass
from sandbox.egress.targets import parse_grant

MAX_GRANTS = 20
MAX_TAGS = 20

RETRY: Mapping[str, tuple[int, int, int]] = {
    "max_attempts": (2, 10, 5),
    "backoff_seconds": (1, 3600, 5),
    "backoff_cap_seconds": (1, 86400, 300),
}
"""Least, most and usual of what a version may say about being tried again after an error."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_TAG = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
RESERVED_NAMES = frozenset(dir(builtins)) | {"func"}


class InvalidName(Invalid):
    code = "invalid_name"


class InvalidRetry(Invalid):
    code = "invalid_retry"


class InvalidGrant(Invalid):
    """A secret's or host's name that cannot be one."""

    code = "invalid_grant"


class InvalidTag(Invalid):
    code = "invalid_tag"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a version asks for beside packages and other functions.

    `limits` holds only what differs from the sandbox's defaults, `retry` only what differs from the usual of RETRY.
    Without a retry class a version that touches the outside (secrets or hosts) is never tried twice, any other after a
    loss.
    """

    secrets: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    limits: Mapping[str, Amount] = field(default_factory=dict)
    retry_class: RetryClass | None = None
    retry: Mapping[str, int] = field(default_factory=dict)
    logging: Mapping[str, Any] = field(default_factory=dict)
    isolation: Isolation = Isolation.RUN
    imports_first: bool = False
    handling: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what can never be granted.

        Raises:
            InvalidGrant, InvalidLimit, InvalidRetry, InvalidLogging, InvalidHandling
        """
        clean_logging(self.logging)
        clean_handling(self.handling)
        _check_grants("secret", self.secrets, _SECRET_NAME)
        _check_number("host", self.hosts)
        for host in self.hosts:
            checked_host(host)
        check_limits(self.limits)
        _check_retry(self.retry, self.effective_retry_class)

    @classmethod
    def of(cls, version: FunctionVersion | None) -> "Settings":
        """What a version has, for a next one that keeps it."""
        if version is None:
            return cls()
        secrets, hosts, retry_class = tuple(version.secrets), tuple(version.hosts), RetryClass(version.retry_class)
        return cls(
            secrets,
            hosts,
            version.limits,
            retry_class,
            version.retry,
            version.logging,
            Isolation(version.isolation),
            imports_first=version.imports_first,
            handling=version.handling,
        )

    @property
    def effective_retry_class(self) -> RetryClass:
        if self.retry_class is not None:
            return self.retry_class
        return RetryClass.NEVER if self.secrets or self.hosts else RetryClass.ON_LOST


def with_grants(settings: Settings, *, hosts: Iterable[str] | None, secrets: Iterable[str] | None) -> Settings:
    """The same with other hosts and secrets, None leaving them as they are. Who takes the outside away, or first asks for it,
    and says nothing of retries gets those that go with that."""
    other = replace(
        settings,
        hosts=settings.hosts if hosts is None else tuple(hosts),
        secrets=settings.secrets if secrets is None else tuple(secrets),
    )
    touched_before, touches = bool(settings.hosts or settings.secrets), bool(other.hosts or other.secrets)
    return other if touched_before == touches else replace(other, retry_class=None, retry={})


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a version comes from; with a `task_id` it belongs to that task alone.

    `granted_by`: the request by which people agreed to hosts and secrets of all that is being saved, before it was.
    """

    origin: Origin = Origin.PERSON
    task_id: UUID | None = None
    prompt: str = ""
    model: str = ""
    derived_from: FunctionVersion | None = None
    granted_by: ApprovalRequest | None = None


BY_HAND = Provenance()


def check_name(name: str) -> None:
    """Refuse what cannot be called by name, or would hide something of Python's.

    Raises:
        InvalidName
    """
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"“{name[:100]}” cannot be a function's name: use letters a to z, digits and “_”, beginning with a letter, "
            "at most 100.",
            name=name[:200],
        )
    if keyword.iskeyword(name) or name in RESERVED_NAMES:
        raise InvalidName(f"“{name}” already means something in Python. Choose another name.", name=name)


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Bring tags to lower case, each once, sorted.

    Raises:
        InvalidTag
    """
    cleaned = sorted({tag.strip().lower() for tag in tags if tag.strip()})
    for tag in cleaned:
        if not _TAG.fullmatch(tag):
            raise InvalidTag(f"“{tag[:40]}” cannot be a tag: use letters, digits, “-” and “_”, at most 40.", tag=tag[:200])
    if len(cleaned) > MAX_TAGS:
        raise InvalidTag(f"At most {MAX_TAGS} tags are allowed.", most=MAX_TAGS)
    return cleaned


def checked_host(text: str) -> str:
    """A host as it is stored: `name`, or `name:port` where the port is not 443.

    Raises:
        InvalidGrant
    """
    try:
        return str(parse_grant(text))
    except ValueError as error:
        raise InvalidGrant(str(error), name=text[:300]) from None


def _check_number(kind: str, names: tuple[str, ...]) -> None:
    if len(names) > MAX_GRANTS:
        raise InvalidGrant(f"At most {MAX_GRANTS} {kind}s are allowed.", most=MAX_GRANTS)


def _check_grants(kind: str, names: tuple[str, ...], pattern: re.Pattern[str]) -> None:
    _check_number(kind, names)
    for name in names:
        if not pattern.fullmatch(name):
            raise InvalidGrant(f"“{name[:100]}” cannot be the name of a {kind}.", name=name[:300])


def _check_retry(retry: Mapping[str, int], retry_class: RetryClass) -> None:
    if retry and retry_class != RetryClass.ON_ERROR:
        raise InvalidRetry("Attempts and pauses are only for a function that is tried again after an error.")
    for name, value in retry.items():
        if name not in RETRY:
            raise InvalidRetry(f"“{name[:50]}” says nothing about retries. Known are {', '.join(RETRY)}.", name=name[:100])
        least, most, _ = RETRY[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidRetry(f"{name} must be a whole number from {least} to {most}.", name=name, least=least, most=most)


def filled_retry(retry: Mapping[str, int]) -> dict[str, int]:
    """What a version says about retries, with the usual where it says nothing."""
    return {name: retry.get(name, usual) for name, (_, _, usual) in RETRY.items()}
