"""How results become JSON."""

import collections
import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import pathlib
import uuid
from typing import Any, NamedTuple

import pytest

from sandbox.runner import encoding
from sandbox.runner.encoding import MAX_DEPTH, NotJson, TooLarge, TooMany, encode


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: Any


class Pair(NamedTuple):
    first: int
    second: datetime.date


class Model:
    """Behaves as pydantic's models do."""

    def model_dump(self) -> dict[str, Any]:
        return {"day": datetime.date(2024, 2, 29)}


class Table:
    """Behaves as the tables of pandas do."""

    columns = ("a",)

    def to_dict(self, orient: str) -> list[dict[str, int]]:
        assert orient == "records"
        return [{"a": 1}, {"a": 2}]


class NoTime(datetime.datetime):
    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.datetime.__hash__


class Array:
    def tolist(self) -> list[int]:
        return [1, 2]


def encoded(value: Any) -> Any:
    return json.loads(encode(value, 10_000))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        ("é\ud800", "é?"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 1, 2, tzinfo=datetime.UTC), "2024-02-29T01:02:00+00:00"),
        (datetime.timedelta(minutes=1), 60.0),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (pathlib.PurePosixPath("/a"), "/a"),
        (b"\xff\x00", "/wA="),
        (Colour.RED, "red"),
        ({3, 1, 2}, [1, 2, 3]),
        ((1, (2,)), [1, [2]]),
        (Point(1, Point(2, None)), {"x": 1, "y": {"x": 2, "y": None}}),
        ({1: "a", None: "b", datetime.date(2024, 1, 1): "c"}, {"1": "a", "null": "b", "2024-01-01": "c"}),
        (Array(), [1, 2]),
        (Pair(1, datetime.date(2024, 2, 29)), [1, "2024-02-29"]),
        (Model(), {"day": "2024-02-29"}),
        (Table(), [{"a": 1}, {"a": 2}]),
        (NoTime(2024, 1, 1), None),
        (bytearray(b"\xff\x00"), "/wA="),
        (range(3), [0, 1, 2]),
        (collections.deque([1, 2]), [1, 2]),
        ({"a": 1, "b": 2}.values(), [1, 2]),
        ({"b": 1, "a": 2}.keys(), ["a", "b"]),
        ((number * number for number in range(3)), [0, 1, 4]),
        ({Colour.RED: 1, 1.5: 2}, {"red": 1, "1.5": 2}),
        ({decimal.Decimal("NaN")}, ["NaN"]),
        ({1, "a", (2, 3)}, ["a", 1, [2, 3]]),
    ],
)
def test_values_have_their_documented_form(value: Any, expected: Any) -> None:
    assert encoded(value) == expected


def test_what_has_no_form_is_refused_with_its_place() -> None:
    with pytest.raises(NotJson, match=r"result\['rows'\]\[1\] is a object"):
        encode({"rows": [1, object()]}, 1000)


def test_a_result_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TooLarge, match=str(MAX_DEPTH)):
        encode(endless, 1000)


def test_a_result_over_its_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="1000 are allowed"):
        encode("x" * 1000, 1000)


async def nobody_waits() -> None: ...


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "result is a object"),
        (nobody_waits, "result is a function"),
        (1 + 2j, "result is a complex"),
        pytest.param(10**5000, "result is a whole number of more than 4200 digits: return it as text", id="digits"),
        pytest.param({"a": [10**5000]}, r"result\['a'\]\[0\] is a whole number", id="digits inside"),
        ({1: "a", "1": "b"}, "result has two keys that are both '1' in JSON"),
        ({(1, 2): "a"}, "the a key of result is nested|result has a key of type tuple"),
        ({object(): "a"}, "a key of result is a object"),
    ],
)
def test_what_would_lose_or_spoil_something_is_refused(value: Any, message: str) -> None:
    with pytest.raises((NotJson, TooLarge), match=message):
        encode(value, 10_000)


def test_a_coroutine_inside_a_result_is_told_as_what_it_is() -> None:
    forgotten = nobody_waits()
    with pytest.raises(NotJson, match=r"result\[0\] is a coroutine that nobody has awaited"):
        encode([forgotten], 1000)
    forgotten.close()


def test_what_gives_items_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MOST_ITEMS", 100)
    with pytest.raises(TooMany, match="more than 100 items"):
        encode({"a": itertools.count()}, 10_000)
