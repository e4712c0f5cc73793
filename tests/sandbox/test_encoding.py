"""How results become JSON."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from typing import Any

import pytest

from sandbox.runner.encoding import MAX_DEPTH, NotJson, TooLarge, encode


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: Any


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
