"""What people say of a webhook, checked: how it knows its sender, and what it takes from it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apps.core.errors import Invalid
from apps.triggers.models import Scheme
from apps.triggers.types import MAX_SCHEDULE_NAME, SCHEDULE_NAME, WEBHOOK_RECEIVED, webhook_type
from apps.triggers.webhooks.schemes import ALGORITHMS, ENCODINGS, GITHUB_HEADER, SIGNATURE, STRIPE_HEADER
from apps.workspaces.models import Membership
from apps.workspaces.services import require_person

METHODS = ("POST", "PUT", "PATCH")
"""A GET is not among them: what crawlers and previews of links ask for must change nothing."""

MOST_PER_MINUTE, USUAL_PER_MINUTE = 1_000, 60
USUAL_BYTES = 256 * 1024
MOST_NAMES = 20  # of content types, and of headers
MAX_PREFIX = 20
_CREDENTIAL_WORDS = ("signature", "hmac", "token", "secret", "password", "authorization", "cookie", "api-key")
_NOT_FOR_SIGNATURES = ("host", "content-length", "content-type", "connection", "transfer-encoding", "cookie")
_HEADER = re.compile(r"[a-z0-9-]{1,60}\Z")
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}\Z")


class BadWebhook(Invalid):
    code = "bad_webhook"


class WeakWebhook(Invalid):
    """The scheme proves too little to be chosen without saying so."""

    code = "weak_webhook"


@dataclass(frozen=True)
class WebhookDraft:
    """A new webhook. `header`, `algorithm`, `encoding`, `prefix` are for the scheme `hmac`; a token may have its own header too.

    `is_unsigned_accepted`: a person says that nothing needs to be signed.
    """

    name: str
    scheme: str = Scheme.STANDARD
    header: str = ""
    algorithm: str = ""
    encoding: str = ""
    prefix: str = ""
    secret: str = field(default="", repr=False)
    is_unsigned_accepted: bool = False


@dataclass(frozen=True)
class Intake:
    """What a webhook takes once its sender is known. Empty `content_types`: any."""

    methods: Sequence[str] = ("POST",)
    content_types: Sequence[str] = ()
    kept_headers: Sequence[str] = ()
    max_bytes: int = USUAL_BYTES
    most_per_minute: int = USUAL_PER_MINUTE


def check_webhook_name(name: str) -> str:
    """Raises: BadWebhook."""
    if len(name) > MAX_SCHEDULE_NAME or not SCHEDULE_NAME.match(name) or webhook_type(name) == WEBHOOK_RECEIVED:
        raise BadWebhook("A webhook's name is one word of small letters, digits and underscores, such as new_orders.")
    return name


def checked_scheme(actor: Membership, draft: WebhookDraft) -> dict[str, Any]:
    """The fields of a webhook that say how it knows its sender.

    Raises:
        BadWebhook, WeakWebhook, TokenCannot: no program may choose that nothing is signed.
    """
    if draft.scheme not in Scheme.values:
        raise BadWebhook(f"A webhook knows its sender by one of {', '.join(Scheme.values)}.")
    scheme = Scheme(draft.scheme)
    if not scheme.is_signed:
        require_person(actor)
        if not draft.is_unsigned_accepted:
            raise WeakWebhook(
                "With this nothing that comes is signed, so whoever learns the token or the address can say anything. "
                "Choose a scheme that signs, or say that you accept it."
            )
    return {"scheme": scheme, **_place_of_signature(scheme, draft)}


def checked_intake(intake: Intake, *, header: str) -> dict[str, Any]:
    """The fields of a webhook that say what it takes. `header`: where its signature stands, which is never kept.

    Raises:
        BadWebhook
    """
    if not 1 <= intake.max_bytes <= settings.WEBHOOK_MAX_BYTES:
        raise BadWebhook(f"A webhook takes bodies of 1 to {settings.WEBHOOK_MAX_BYTES} bytes.")
    if not 1 <= intake.most_per_minute <= MOST_PER_MINUTE:
        raise BadWebhook(f"A webhook takes 1 to {MOST_PER_MINUTE} deliveries in a minute.")
    methods = _distinct(each.upper() for each in intake.methods)
    if not methods or not set(methods) <= set(METHODS):
        raise BadWebhook(f"A webhook takes one or more of {', '.join(METHODS)}.")
    types = _distinct(each.lower() for each in intake.content_types)
    if len(types) > MOST_NAMES or not all(map(_MEDIA_TYPE.match, types)):
        raise BadWebhook(f"Name up to {MOST_NAMES} content types such as application/json, without anything after them.")
    return {
        "methods": methods,
        "content_types": types,
        "kept_headers": _checked_headers(intake.kept_headers, header),
        "max_bytes": intake.max_bytes,
        "most_per_minute": intake.most_per_minute,
    }


def _place_of_signature(scheme: Scheme, draft: WebhookDraft) -> dict[str, str]:
    match scheme:
        case Scheme.STANDARD:
            return {"header": SIGNATURE, "algorithm": "sha256", "encoding": "base64"}
        case Scheme.GITHUB:
            return {"header": GITHUB_HEADER, "algorithm": "sha256", "encoding": "hex", "prefix": "sha256="}
        case Scheme.STRIPE:
            return {"header": STRIPE_HEADER, "algorithm": "sha256", "encoding": "hex"}
        case Scheme.HMAC:
            return _own_signature(draft)
        case Scheme.BEARER:
            return {"header": _checked_own_header(draft.header or "Authorization")}
        case Scheme.NONE:
            return {}


def _own_signature(draft: WebhookDraft) -> dict[str, str]:
    algorithm, encoding = draft.algorithm or ALGORITHMS[0], draft.encoding or ENCODINGS[0]
    if algorithm not in ALGORITHMS or encoding not in ENCODINGS:
        raise BadWebhook(f"A signature is one of {', '.join(ALGORITHMS)} in {' or '.join(ENCODINGS)}.")
    if len(draft.prefix) > MAX_PREFIX or not (draft.prefix.isascii() and draft.prefix.isprintable()):
        raise BadWebhook(f"What stands before the signature may have {MAX_PREFIX} plain characters, such as sha256=.")
    header = _checked_own_header(draft.header or "X-Signature")
    return {"header": header, "algorithm": algorithm, "encoding": encoding, "prefix": draft.prefix}


def _checked_own_header(name: str) -> str:
    found = name.strip().lower()
    if not _HEADER.match(found) or found in _NOT_FOR_SIGNATURES:
        raise BadWebhook("Name the header by letters, digits and hyphens, such as X-Signature.")
    return found


def _checked_headers(names: Sequence[str], signature: str) -> list[str]:
    found = _distinct(each.lower() for each in names)
    if len(found) > MOST_NAMES or not all(map(_HEADER.match, found)):
        raise BadWebhook(f"Name up to {MOST_NAMES} headers by letters, digits and hyphens, such as X-GitHub-Event.")
    for name in found:
        if name == signature or any(word in name for word in _CREDENTIAL_WORDS):
            raise BadWebhook(f"{name} proves who somebody is, and is never kept. Choose other headers.")
    return found


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found for text in texts if (found := text.strip())))
