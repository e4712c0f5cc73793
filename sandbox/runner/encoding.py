"""How a tool's result becomes JSON. Fixed and documented, because callers of the tool rely on it.

None, bool, int, str, float as they are (NaN and infinities as null); dates, times as ISO 8601; Decimal, UUID, Path as
text; bytes as base64; Enum as its value; set as sorted list; tuple as list; dataclass as object; whatever has tolist() (numpy,
pandas series) by it. Anything else is refused with its place.
"""

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 64


class NotJson(TypeError):
    """The result holds something that has no JSON form."""


class TooLarge(ValueError):
    """The result is larger than allowed."""


class TooDeep(TooLarge):
    """The result is nested deeper than allowed, which no limit changes."""


def encode(value: Any, max_bytes: int) -> bytes:
    """The JSON text of a result.

    Raises: NotJson, TooLarge, TooDeep.
    """
    text = json.dumps(plain(value), separators=(",", ":"), allow_nan=False).encode()
    if len(text) > max_bytes:
        raise TooLarge(f"the result has {len(text)} bytes as JSON; {max_bytes} are allowed")
    return text


def plain(value: Any, place: str = "result", depth: int = 0) -> Any:
    """The same value in lists, dicts and scalars."""
    if depth > MAX_DEPTH:
        what = place.partition("[")[0]
        raise TooDeep(f"the {what} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, enum.Enum):
        return plain(value.value, place, depth)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()
    return _plain_text(value, place, depth)


def _plain_text(value: Any, place: str, depth: int) -> Any:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal | uuid.UUID | pathlib.PurePath):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return _plain_collection(value, place, depth)


def _plain_collection(value: Any, place: str, depth: int) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(key, place): plain(item, f"{place}[{key!r:.40}]", depth + 1) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return _sorted([plain(item, place, depth + 1) for item in value])
    if isinstance(value, list | tuple):
        return [plain(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(value)]
    if callable(to_list := getattr(value, "tolist", None)):
        return plain(to_list(), place, depth + 1)
    raise NotJson(f"{place} is a {type(value).__qualname__}, which has no JSON form")


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def _key(key: Any, place: str) -> str:
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    simple = _plain_text(key, place, MAX_DEPTH)
    if isinstance(simple, str):
        return simple
    raise NotJson(f"{place} has a key of type {type(key).__qualname__}")
