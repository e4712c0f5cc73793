"""Who sent this, by its raw bytes: one way to check and to sign for each scheme. Knows no database.

Signatures are compared in constant time as texts and never decoded, so that a malformed one is merely a wrong one.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.views.decorators.debug import sensitive_variables

from apps.core.errors import Invalid
from apps.triggers.models import Scheme, Webhook

TOLERANCE = timedelta(minutes=5)  # of clocks: what Standard Webhooks and Stripe recommend
MOST_SIGNATURES = 16  # in one header: senders add one for each of their secrets
LEAST_KEY_BYTES, GENERATED_BYTES = 16, 32
STANDARD_PREFIX = "whsec_"
ALGORITHMS = ("sha256", "sha384", "sha512", "sha1")
ENCODINGS = ("hex", "base64")
GITHUB_HEADER, STRIPE_HEADER = "x-hub-signature-256", "stripe-signature"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
ID_HEADERS = (ID, "idempotency-key")
_SECONDS = re.compile(r"[0-9]{1,12}\Z", re.ASCII)
_MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,200}\Z")


class BadWebhookSecret(Invalid):
    code = "bad_webhook_secret"


@dataclass(frozen=True)
class Incoming:
    """What a sender sent. Names of headers are in small letters; one that came twice is joined by a comma."""

    method: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Verified:
    """The sender is who it should be. `message_id` is empty where the sender told none that can be relied on."""

    message_id: str = ""


@dataclass(frozen=True)
class _Way:
    """`check` answers None for what was not sent by a holder of one of the secrets, or too long ago; `sign` gives headers."""

    check: Callable[[Webhook, Incoming, Sequence[bytes], datetime], Verified | None]
    sign: Callable[[Webhook, bytes, bytes, str, datetime], dict[str, str]]


def verify(webhook: Webhook, incoming: Incoming, secrets: Sequence[str], now: datetime) -> Verified | None:
    """None when it was not sent by a holder of one of the secrets, or too long ago to tell it from a recording."""
    keys = [key_of(webhook.scheme, secret) for secret in secrets]
    return _WAYS[Scheme(webhook.scheme)].check(webhook, incoming, keys, now)


def sign(webhook: Webhook, body: bytes, secret: str, *, message_id: str, now: datetime) -> dict[str, str]:
    """The headers with which the webhook's sender would send this body."""
    key = key_of(webhook.scheme, secret) if secret else b""
    return _WAYS[Scheme(webhook.scheme)].sign(webhook, body, key, message_id, now)


@sensitive_variables()
def key_of(scheme: str, secret: str) -> bytes:
    """The bytes that sign. A secret of Standard Webhooks is base64; all others are taken as they are.

    Raises:
        BadWebhookSecret
    """
    if scheme != Scheme.STANDARD:
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < LEAST_KEY_BYTES:
        raise BadWebhookSecret(
            f"A secret of Standard Webhooks is {STANDARD_PREFIX} and at least {LEAST_KEY_BYTES} bytes in base64. "
            "Copy it whole, or leave it out to get one made."
        )
    return key


@sensitive_variables()
def format_secret(scheme: str, random: bytes) -> str:
    """A new secret in the form in which the scheme's senders take it."""
    text = base64.b64encode(random).decode()
    return STANDARD_PREFIX + text if scheme == Scheme.STANDARD else random.hex()


def _is_one_of(given: Iterable[str], expected: Iterable[str]) -> bool:
    """Each is compared with each, whatever was found before."""
    wanted = [each.encode() for each in expected]
    found = False
    for text in list(given)[:MOST_SIGNATURES]:
        for each in wanted:
            found |= hmac.compare_digest(text.encode("latin-1", "replace"), each)
    return found


def _hex(key: bytes, content: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(key, content, algorithm).hexdigest()


def _base64(key: bytes, content: bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac.digest(key, content, algorithm)).decode()


def _is_recent(seconds: str, now: datetime) -> bool:
    return abs(now.timestamp() - int(seconds)) <= TOLERANCE.total_seconds()


def _check_standard(_: Webhook, incoming: Incoming, keys: Sequence[bytes], now: datetime) -> Verified | None:
    message_id, seconds = incoming.headers.get(ID, ""), incoming.headers.get(TIMESTAMP, "")
    if not _MESSAGE_ID.match(message_id) or not _SECONDS.match(seconds):
        return None
    content = _standard_content(message_id, seconds, incoming.body)
    given = incoming.headers.get(SIGNATURE, "").split(" ")
    if not _is_one_of(given, [f"v1,{_base64(key, content)}" for key in keys]) or not _is_recent(seconds, now):
        return None
    return Verified(message_id)


def _sign_standard(_: Webhook, body: bytes, key: bytes, message_id: str, now: datetime) -> dict[str, str]:
    seconds = str(int(now.timestamp()))
    signature = _base64(key, _standard_content(message_id, seconds, body))
    return {ID: message_id, TIMESTAMP: seconds, SIGNATURE: f"v1,{signature}"}


def _standard_content(message_id: str, seconds: str, body: bytes) -> bytes:
    return f"{message_id}.{seconds}.".encode() + body


def _check_stripe(_: Webhook, incoming: Incoming, keys: Sequence[bytes], now: datetime) -> Verified | None:
    parts = [part.strip().partition("=") for part in incoming.headers.get(STRIPE_HEADER, "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not _SECONDS.match(times[0]):
        return None
    content = f"{times[0]}.".encode() + incoming.body
    given = [value for name, _, value in parts if name == "v1"]
    if not _is_one_of(given, [_hex(key, content) for key in keys]) or not _is_recent(times[0], now):
        return None
    return Verified()


def _sign_stripe(_: Webhook, body: bytes, key: bytes, message_id: str, now: datetime) -> dict[str, str]:
    seconds = int(now.timestamp())
    return {STRIPE_HEADER: f"t={seconds},v1={_hex(key, f'{seconds}.'.encode() + body)}"}


def _check_hmac(webhook: Webhook, incoming: Incoming, keys: Sequence[bytes], now: datetime) -> Verified | None:
    given = incoming.headers.get(webhook.header, "")
    if webhook.encoding == "hex":
        given = given.lower()
    return Verified() if _is_one_of([given], [_signature(webhook, key, incoming.body) for key in keys]) else None


def _sign_hmac(webhook: Webhook, body: bytes, key: bytes, message_id: str, now: datetime) -> dict[str, str]:
    return {webhook.header: _signature(webhook, key, body)}


def _signature(webhook: Webhook, key: bytes, body: bytes) -> str:
    """By what the webhook says. The prefix is small letters where the signature is, as hexadecimal digits have no case."""
    if webhook.encoding == "hex":
        return webhook.prefix.lower() + _hex(key, body, webhook.algorithm)
    return webhook.prefix + _base64(key, body, webhook.algorithm)


def _check_bearer(webhook: Webhook, incoming: Incoming, keys: Sequence[bytes], now: datetime) -> Verified | None:
    given = incoming.headers.get(webhook.header, "")
    digests = [
        hashlib.sha256(_token_text(webhook, key)).hexdigest() for key in keys
    ]  # equal lengths: a token's is no secret then
    if not _is_one_of([hashlib.sha256(given.encode("latin-1", "replace")).hexdigest()], digests):
        return None
    return _told_id(incoming)


def _sign_bearer(webhook: Webhook, body: bytes, key: bytes, message_id: str, now: datetime) -> dict[str, str]:
    return {webhook.header: _token_text(webhook, key).decode(), ID: message_id}


def _token_text(webhook: Webhook, key: bytes) -> bytes:
    return b"Bearer " + key if webhook.header == "authorization" else key


def _check_nothing(_: Webhook, incoming: Incoming, keys: Sequence[bytes], now: datetime) -> Verified | None:
    return _told_id(incoming)


def _sign_nothing(_: Webhook, body: bytes, key: bytes, message_id: str, now: datetime) -> dict[str, str]:
    return {ID: message_id}


def _told_id(incoming: Incoming) -> Verified:
    """Where nothing is signed an id is the sender's own help against telling twice, and no protection."""
    found = next((incoming.headers[name] for name in ID_HEADERS if name in incoming.headers), "")
    return Verified(found if _MESSAGE_ID.match(found) else "")


_HMAC = _Way(_check_hmac, _sign_hmac)
_WAYS = {
    Scheme.STANDARD: _Way(_check_standard, _sign_standard),
    Scheme.GITHUB: _HMAC,
    Scheme.STRIPE: _Way(_check_stripe, _sign_stripe),
    Scheme.HMAC: _HMAC,
    Scheme.BEARER: _Way(_check_bearer, _sign_bearer),
    Scheme.NONE: _Way(_check_nothing, _sign_nothing),
}
