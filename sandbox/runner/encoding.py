"""How a tool's result becomes JSON. Fixed, because callers of the tool rely on it; `decoding` is the way back.

The table that people read is docs/how-to/arguments-and-results.md. Whatever it does not list is refused with its place.
"""

import base64
import dataclasses
import datetime
import decimal
import enum
import inspect
import itertools
import json
import math
import pathlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from typing import Any

MAX_DEPTH = 64
MOST_ITEMS = 1_000_000
"""Of what gives its items one by one, and so may never end."""

_MOST_BITS = 14_000  # of a whole number: Python's own reader of JSON takes 4300 digits


class NotJson(TypeError):
    """The result holds something that has no JSON form."""


class TooLarge(ValueError):
    """The result is larger than allowed."""


class TooMany(ValueError):
    """More items than a result may have, which no limit changes."""


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
        return _integer(value, place)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()
    return _plain_text(value, place, depth)


def _integer(value: int, place: str) -> int:
    if value.bit_length() > _MOST_BITS:
        raise NotJson(f"{place} is a whole number of more than 4200 digits: return it as text")
    return int(value)


def _plain_text(value: Any, place: str, depth: int) -> Any:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat() if value == value else None  # pandas has a time that is none and equals nothing
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal | uuid.UUID | pathlib.PurePath):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return _plain_collection(value, place, depth)


def _plain_collection(value: Any, place: str, depth: int) -> Any:
    value = _fields(value)
    if isinstance(value, Mapping):
        return _object(value, place, depth)
    if isinstance(value, Set):
        return _sorted(_items(value, place, depth))
    if isinstance(value, Sequence | ValuesView | Iterator):
        return _items(value, place, depth)
    if callable(to_list := getattr(value, "tolist", None)):  # numpy, and columns of pandas
        return plain(to_list(), place, depth + 1)
    raise NotJson(f"{place} is {_said(value)}, which has no JSON form")


def _fields(value: Any) -> Any:
    """What has named fields as an object, a table of pandas as a list of its rows."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    if callable(getattr(kind, "model_dump", None)):  # pydantic
        return value.model_dump()
    if callable(getattr(kind, "to_dict", None)) and hasattr(kind, "columns"):
        return value.to_dict(orient="records")
    return value


def _object(value: Mapping[Any, Any], place: str, depth: int) -> dict[str, Any]:
    """Raises: NotJson also when two keys have the same JSON form, of which one would be lost."""
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, place)
        if name in found:
            raise NotJson(f"{place} has two keys that are both {name!r:.40} in JSON")
        found[name] = plain(item, f"{place}[{key!r:.40}]", depth + 1)
    return found


def _items(values: Iterable[Any], place: str, depth: int) -> list[Any]:
    found = [plain(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(itertools.islice(values, MOST_ITEMS + 1))]
    if len(found) > MOST_ITEMS:
        raise TooMany(f"the {place.partition('[')[0]} has more than {MOST_ITEMS} items at one place")
    return found


def _said(value: Any) -> str:
    if inspect.isawaitable(value):
        return "a coroutine that nobody has awaited"
    if inspect.isasyncgen(value):
        return "an async generator"
    return f"a {type(value).__qualname__}"


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def _key(key: Any, place: str) -> str:
    simple = plain(key, f"a key of {place}", MAX_DEPTH)
    if isinstance(simple, str):
        return simple
    if simple is None or isinstance(simple, bool | int | float):
        return json.dumps(simple)
    raise NotJson(f"{place} has a key of type {type(key).__qualname__}")
