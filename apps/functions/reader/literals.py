"""Literals of a source as JSON values that PostgreSQL can keep."""

import ast
import math
from typing import Any

MAX_INTEGER = 2**63
MAX_DEFAULT_NODES = 1_000


class NotJson(Exception):
    """The expression is not a literal, or one that JSON has no faithful form for."""


def json_literal(node: ast.expr) -> Any:
    """Give the value of a literal expression as JSON.

    Raises:
        NotJson: it is computed, or holds bytes, a set, an infinite number, or text that cannot be stored.
    """
    if sum(1 for _ in ast.walk(node)) > MAX_DEFAULT_NODES:
        raise NotJson
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError) as error:
        raise NotJson from error
    return _as_json(value)


def storable(text: str) -> bool:
    """Tell whether PostgreSQL's jsonb takes the text: no NUL, no lone surrogate."""
    return "\x00" not in text and not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def cleaned(text: str) -> str:
    """Replace what cannot be stored by the replacement character, for text that is only shown."""
    return text if storable(text) else "".join(c if storable(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _as_json(value: object) -> Any:
    match value:
        case None | bool():
            return value
        case int() if abs(value) < MAX_INTEGER:
            return value
        case float() if math.isfinite(value):
            return value
        case str() if storable(value):
            return value
        case list() | tuple():
            return [_as_json(item) for item in value]
        case dict() if all(isinstance(key, str) and storable(key) for key in value):
            return {key: _as_json(item) for key, item in value.items()}
    raise NotJson
