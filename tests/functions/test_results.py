"""Results that are not what a function says that it returns are found, quickly whatever they are."""

import time
from typing import Any

import pytest

from apps.functions import results
from apps.functions.analysis import analyse
from apps.functions.results import find_misfit

CLASSES = """
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Iterable, Literal, NamedTuple, NotRequired, TypedDict

class Colour(Enum):
    RED = "red"

@dataclass
class Row:
    name: str
    price: Decimal
    inner: "Row | None" = None
    made: int = field(init=False, default=0)

class Known(TypedDict):
    a: int
    b: NotRequired[str]

class Pair(NamedTuple):
    first: int
    second: str = ""

@dataclass
class Left:
    x: "Left | Right | None"

@dataclass
class Right:
    x: "Left | Right | None"
"""


def misfit(annotation: str, result: Any) -> tuple[str, str, str] | None:
    found = find_misfit(analyse(f"{CLASSES}\ndef f() -> {annotation}: ...\n").output_schema, result)
    return (found.path, found.expected, found.found) if found else None


@pytest.mark.parametrize(
    ("annotation", "result"),
    [
        ("int", 3), ("int", True), ("int", 3.0), ("float", 3), ("float", None), ("list[float]", [1.5, None]), ("bool", False),
        ("str", ""), ("None", None), ("Any", {"a": [1]}), ("object", 3), ("Unknown", "x"), ("date", "2024-02-29"),
        ("date", "2024-02-29T01:02:03"), ("datetime", "2024-02-29T01:02:03+00:00"), ("timedelta", 1.5), ("Decimal", "1.10"),
        ("bytes", "/wA="), ("set[int]", [1, 2]), ("tuple[int, str]", [1, "a"]), ("tuple[int, ...]", []), ("Iterable[int]", [1]),
        ("dict[int, str]", {"1": "a"}), ("Literal['a', 1]", 1), ("Colour", "red"), ("Known", {"a": 1}), ("Pair", [1]),
        ("Known", {"a": 1, "more": 2}), ("Row", {"name": "a", "price": "1", "inner": None, "made": 0, "of_a_subclass": 1}),
        ("int | str", "a"), ("int | None", None), ("list[Row | int]", [1, {"name": "a", "price": "1"}]),
    ],
)  # fmt: skip
def test_what_correct_code_returns_fits(annotation: str, result: Any) -> None:
    assert misfit(annotation, result) is None


@pytest.mark.parametrize(
    ("annotation", "result", "expected"),
    [
        ("int", "abc", ("", "a whole number", "text “abc”")),
        ("int", 1.5, ("", "a whole number", "a number")),
        ("int", None, ("", "a whole number", "nothing (null)")),
        ("str", None, ("", "text", "nothing (null)")),
        ("None", 1, ("", "nothing (null)", "a whole number")),
        ("bool", 1, ("", "true or false", "a whole number")),
        ("list[int]", [1, 2, "x"], ("2", "a whole number", "text “x”")),
        ("dict[str, list[int]]", {"a": [1], "b": ["x"]}, ("b.0", "a whole number", "text “x”")),
        ("date", "31.12.2026", ("", "a date such as 2026-02-28", "text “31.12.2026”")),
        ("Decimal", "dear", ("", "a decimal number such as 12.50", "text “dear”")),
        ("tuple[int, str]", [1], ("", "a list of 2 items", "one of 1")),
        ("Pair", [], ("", "a list of 1 to 2 items", "one of 0")),
        ("Colour", "blue", ("", 'one of "red"', "text “blue”")),
        ("Row", {"name": "a"}, ("price", "a decimal number such as 12.50", "missing")),
        ("list[Row]", [{"name": 1, "price": "1"}], ("0.name", "text", "a whole number")),
        ("int | None", "x", ("", "a whole number or nothing (null)", "text “x”")),
        ("Row | None", {"name": "a", "price": 1}, ("price", "a decimal number such as 12.50", "a whole number")),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(annotation: str, result: Any, expected: Any) -> None:
    assert misfit(annotation, result) == expected


def test_without_a_return_annotation_anything_fits() -> None:
    assert find_misfit(analyse("def f(): ...").output_schema, {"a": object}) is None


def test_the_sentence_names_place_expected_and_found() -> None:
    found = find_misfit(analyse("def f() -> list[int]: ...").output_schema, ["x" * 500])
    assert found is not None
    assert "at 0 it should be a whole number, and is text “xxx" in found.message
    assert len(found.message) < 400


def nested(depth: int) -> Any:
    value: Any = {"x": "wrong"}
    for _ in range(depth):
        value = {"x": value, "filler": "y" * 10_000}
    return value


@pytest.mark.parametrize(
    ("annotation", "result"),
    [
        ("list[list[int]]", [[]] * 2_000_000),
        ("list[int | str | None]", ["x"] * 1_000_000),
        ("Left", nested(60)),
        ("list[date]", ["9" * 4_000_000]),
        ("Decimal", "9" * 4_000_000),
    ],
    ids=["many", "alternatives", "classes that hold each other", "a long date", "a long number"],
)
def test_no_result_makes_the_check_slow(annotation: str, result: Any) -> None:
    schema = analyse(f"{CLASSES}\ndef f() -> {annotation}: ...\n").output_schema
    began = time.process_time()
    find_misfit(schema, result)
    assert time.process_time() - began < 2


def test_what_comes_after_so_many_values_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MOST_STEPS", 10)
    assert misfit("list[int]", [1] * 8 + ["x"]) == ("8", "a whole number", "text “x”")
    assert misfit("list[int]", [1] * 20 + ["x"]) is None
