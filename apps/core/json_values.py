"""JSON that somebody sent, which may be hostile: read, and measured for whether the database can keep it."""

import json
import math
from decimal import Decimal
from typing import Any

from apps.core.errors import Invalid

DEEPEST = 32  # levels of a value


class BadDocument(Invalid):
    code = "bad_document"


class BadJson(Invalid):
    code = "bad_json"


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
