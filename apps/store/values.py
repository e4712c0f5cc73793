"""What may be a collection's name, a document's key and its value. Everything that is given here may be hostile."""

import json
import math
import re
from decimal import Decimal
from typing import Any

from apps.core.errors import Invalid, TooLarge

COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
LONGEST_KEY = 200  # characters
DOCUMENT_BYTES = 256 * 1024
DEEPEST = 32  # levels of a document


class BadCollection(Invalid):
    code = "bad_collection"


class BadKey(Invalid):
    code = "bad_key"


class BadDocument(Invalid):
    code = "bad_document"


class BadJson(Invalid):
    code = "bad_json"


class DocumentTooLarge(TooLarge):
    code = "document_too_large"


def read_json(text: str) -> Any:
    """JSON that a person or a program wrote.

    Raises: BadJson with the place.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise BadJson(f"Line {error.lineno}, column {error.colno}: this is no JSON ({error.msg}).") from None
    except RecursionError:
        raise BadJson("This JSON is nested too deep.") from None
    except ValueError as error:
        raise BadJson(f"This is no JSON: {str(error)[:200]}.") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


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


def measure(value: Any, depth: int = 1) -> int:
    """The bytes of a JSON value. Raises: BadDocument for what the database cannot keep, or not so deep."""
    if depth > DEEPEST:
        raise BadDocument(f"A document may be nested {DEEPEST} deep.")
    if isinstance(value, str):
        return _measure_text(value)
    if isinstance(value, list):
        return 2 + sum(1 + measure(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return 2 + sum(2 + _measure_text(key) + measure(item, depth + 1) for key, item in value.items())
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadDocument("A document holds a number that is not finite.")
        return len(format(Decimal(repr(value)), "f"))  # PostgreSQL writes 1e300 with all its zeros
    return len(json.dumps(value))


def _measure_text(text: str) -> int:
    if "\x00" in text:
        raise BadDocument("A document holds a NUL character, which cannot be kept.")
    try:
        return len(json.dumps(text, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise BadDocument("A document holds half of a character, which cannot be kept.") from None
