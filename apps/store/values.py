"""What may be a collection's name, a document's key and its value. Everything that is given here may be hostile."""

import re
from typing import Any

from apps.core.errors import Invalid, TooLarge
from apps.core.json_values import BadDocument, measure

COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
LONGEST_KEY = 200  # characters
DOCUMENT_BYTES = 256 * 1024


class BadCollection(Invalid):
    code = "bad_collection"


class BadKey(Invalid):
    code = "bad_key"


class DocumentTooLarge(TooLarge):
    code = "document_too_large"


def check_collection(name: Any) -> str:
    """Raises: BadCollection."""
    if not isinstance(name, str) or COLLECTION.fullmatch(name) is None:
        raise BadCollection("A collection's name has up to 100 letters, digits, dots, dashes and underscores.")
    return name


def check_key(key: Any) -> str:
    """Raises: BadKey."""
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or key.strip() != key or not key.isprintable():
        raise BadKey(f"A key is a text of 1 to {LONGEST_KEY} visible characters, with no blank at either end.")
    if key in (".", ".."):
        raise BadKey("A key is not “.” or “..”, which mean something else in addresses.")
    return key


def check_value(value: Any) -> int:
    """The bytes of a document as JSON, numbers written out as the database gives them back.

    Raises: BadDocument, DocumentTooLarge.
    """
    if value is None:
        raise BadDocument("A document is not null: delete it instead.")
    size = measure(value)
    if size > DOCUMENT_BYTES:
        raise DocumentTooLarge(
            f"A document may have {DOCUMENT_BYTES // 1024} KiB as JSON, and this one has {size / 1024:.0f}: "
            "spread it over several keys, or keep a file.",
            size=size,
        )
    return size
