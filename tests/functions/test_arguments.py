"""Arguments that break the schema are refused with a sentence per field."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.functions.analysis import analyse
from apps.functions.arguments import MAX_ARGUMENT_BYTES, ArgumentsInvalid, ArgumentsTooLarge, validate_arguments

SOURCE = """
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

@dataclass
class Row:
    name: str
    amount: Decimal

def report(rows: list[Row], day: date, kind: Literal["a", "b"] = "a", limit: int | None = None,
           pair: tuple[int, int] = (1, 2), blob: bytes = "", **more: float): ...
"""
SCHEMA = analyse(SOURCE).schema
GOOD = {"rows": [{"name": "x", "amount": "1.50"}], "day": "2026-02-28"}


def complaints(arguments: object) -> dict[str, str]:
    with pytest.raises(ArgumentsInvalid) as caught:
        validate_arguments(SCHEMA, arguments)
    assert caught.value.status == 422
    assert caught.value.details["fields"] == caught.value.fields
    return caught.value.fields


def test_arguments_that_fit_pass() -> None:
    validate_arguments(SCHEMA, GOOD)
    validate_arguments(SCHEMA, {**GOOD, "limit": None, "kind": "b", "pair": [3, 4], "blob": "QQ==", "rate": 0.5})


def test_every_missing_argument_is_named() -> None:
    assert complaints({}) == {"rows": "This argument is required.", "day": "This argument is required."}


@pytest.mark.parametrize(
    ("change", "path", "sentence"),
    [
        ({"rows": "x"}, "rows", "This must be a list, not text."),
        ({"rows": [{"name": 3, "amount": "1"}]}, "rows.0.name", "This must be text, not a whole number."),
        ({"rows": [{"name": "x"}]}, "rows.0.amount", "This argument is required."),
        (
            {"rows": [{"name": "x", "amount": "1", "z": 1}]},
            "rows.0.z",
            "There is no argument of this name. Known are name, amount.",
        ),
        ({"rows": [{"name": "x", "amount": "one"}]}, "rows.0.amount", "This must be a decimal number such as 12.50."),
        ({"day": "31.12.2026"}, "day", "This must be a date such as 2026-02-28."),
        ({"kind": "c"}, "kind", 'This must be one of "a", "b".'),
        ({"limit": True}, "limit", "This must be a whole number or nothing (null)."),
        ({"pair": [1]}, "pair", "This must be a list of 2 items."),
        ({"pair": [1, 2, 3]}, "pair", "This must be a list of 2 items."),
        ({"blob": "*"}, "blob", "This must be bytes as base64 text."),
        ({"rate": "fast"}, "rate", "This must be a number, not text."),
        ({"rate": float("nan")}, "rate", "The number is not finite, which JSON cannot say."),
        ({"day": "a\0"}, "day", "The text contains a NUL or a broken character, which cannot be kept."),
        ({"day": "\ud800"}, "day", "The text contains a NUL or a broken character, which cannot be kept."),
    ],
)
def test_each_wrong_value_is_told_at_its_place(change: dict[str, object], path: str, sentence: str) -> None:
    assert complaints({**GOOD, **change}) == {path: sentence}


def test_an_unknown_argument_is_refused_when_nothing_takes_it() -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        validate_arguments(analyse("def f(): ...").schema, {"x": 1})
    assert caught.value.fields == {"x": "There is no argument of this name. None are known."}


@pytest.mark.parametrize("arguments", [None, [], "text", 3])
def test_only_an_object_is_taken(arguments: object) -> None:
    assert "" in complaints(arguments)


def test_too_much_is_refused_by_size_and_by_depth() -> None:
    schema = analyse("def f(x): ...").schema
    with pytest.raises(ArgumentsTooLarge):
        validate_arguments(schema, {"x": "a" * MAX_ARGUMENT_BYTES})
    deep: object = 1
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(ArgumentsInvalid, match="nested more than"):
        validate_arguments(schema, {"x": deep})


def test_thousands_of_wrong_rows_give_a_bounded_answer() -> None:
    assert len(complaints({**GOOD, "rows": [3] * 10_000})) <= 60


def test_types_that_double_at_every_level_do_not_hold_the_server() -> None:
    source = """
from dataclasses import dataclass
@dataclass
class A:
    next: "A | B | None" = None
@dataclass
class B:
    next: "A | B | None" = None
def f(x: A): ...
"""
    value: object = 3
    for _ in range(30):
        value = {"next": value}
    started = time.monotonic()
    with pytest.raises(ArgumentsInvalid, match="too deeply nested"):
        validate_arguments(analyse(source).schema, {"x": value})
    assert time.monotonic() - started < 30


def test_a_long_list_of_optional_values_passes() -> None:
    validate_arguments(analyse("def f(x: list[int | None]): ...").schema, {"x": [1, None] * 20_000})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["rows", "day", "kind", "limit", "pair", "blob", "z"]), json_values) | json_values)
def test_any_json_passes_or_is_refused_in_words(arguments: object) -> None:
    refusal = refused(arguments)
    assert refusal is None or refusal.fields
    assert all(sentence.endswith(".") for sentence in (refusal.fields if refusal else {}).values())


def refused(arguments: object) -> ArgumentsInvalid | None:
    try:
        validate_arguments(SCHEMA, arguments)
    except ArgumentsInvalid as refusal:
        return refusal
    return None
