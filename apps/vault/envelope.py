"""AES-256-GCM with associated data: a sealed value opens only in the place for which it was sealed. Knows no database."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.views.decorators.debug import sensitive_variables

KEY_BYTES = 32
NONCE_BYTES = 12  # 96 bits, the size that GCM is specified for (NIST SP 800-38D §8.2)


class NotSealedHere(Exception):
    """Wrong key, changed bytes, or bytes that were sealed for another place: no telling which."""


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def place(*parts: object) -> bytes:
    """Where a value belongs, as associated data. Lengths go first, so that no two lists of parts look alike."""
    encoded = [str(part).encode() for part in parts]
    return b"".join(len(part).to_bytes(4) + part for part in encoded)


@sensitive_variables()
def seal(key: bytes, content: bytes, *, belongs_to: bytes) -> bytes:
    """A fresh random nonce, then ciphertext and tag. Use a key for few contents: nonces are random."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, belongs_to)


@sensitive_variables()
def unseal(key: bytes, sealed: bytes, *, belongs_to: bytes) -> bytes:
    """What was sealed with this key for this place.

    Raises:
        NotSealedHere
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], belongs_to)
    except (InvalidTag, ValueError):
        raise NotSealedHere("The key does not fit, or the sealed bytes are not where they belong.") from None


@sensitive_variables()
def keyed_digest(key: bytes, *parts: object) -> str:
    """HMAC-SHA256 in hex: tells equal from different to whoever has no key, and nothing else."""
    return hmac.new(key, place(*parts), hashlib.sha256).hexdigest()
