"""How arguments become what annotations say: what was encoded comes back as it was."""

import datetime
import json
import types
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.runner.decoding import Unfit, bind
from sandbox.runner.encoding import encode

MODULE = """
from __future__ import annotations

import collections, dataclasses, datetime, decimal, enum, pathlib, typing, uuid
from datetime import date, datetime as moment


class Colour(enum.Enum):
    RED = "red"
    DAY = date(2024, 2, 29)


class Size(enum.IntEnum):
    SMALL = 1


@dataclasses.dataclass
class Base:
    day: date


@dataclasses.dataclass
class Row(Base):
    price: decimal.Decimal
    inner: Row | None = None


class Known(typing.TypedDict):
    when: moment
    rows: typing.NotRequired[list[Row]]


class Pair(typing.NamedTuple):
    first: int
    second: bytes


type Days = list[date]
Wrapped = typing.NewType("Wrapped", date)
"""
SPACE: dict[str, Any] = {"__name__": "tests_decoding_module"}


@pytest.fixture(autouse=True, scope="module")
def _module() -> None:
    import sys

    module = types.ModuleType("tests_decoding_module")
    sys.modules[module.__name__] = module
    exec(compile(MODULE, "<decoding>", "exec", dont_inherit=True), vars(module))
    SPACE.update(vars(module))


def function(signature: str) -> Callable[..., Any]:
    """One whose arguments, as they reach it, are its result."""
    exec(compile(f"def told({signature}):\n    return locals()\n", "<told>", "exec", dont_inherit=True), SPACE)
    made: Callable[..., Any] = SPACE["told"]
    return made


def reached(signature: str, **given: Any) -> dict[str, Any]:
    made = function(signature)
    places, names = bind(made, given)
    told: dict[str, Any] = made(*places, **names)
    return told


@pytest.mark.parametrize(
    ("annotation", "expression"),
    [
        ("date", "date(2024, 2, 29)"),
        ("moment", "moment(2024, 2, 29, 1, 2, tzinfo=datetime.UTC)"),
        ("datetime.time", "datetime.time(1, 2)"),
        ("datetime.timedelta", "datetime.timedelta(hours=1)"),
        ("decimal.Decimal", "decimal.Decimal('1.10')"),
        ("uuid.UUID", "uuid.UUID(int=7)"),
        ("pathlib.Path", "pathlib.Path('a/b')"),
        ("bytes", "b'\\xff\\x00'"),
        ("bytearray", "bytearray(b'\\xff')"),
        ("set[int]", "{1, 2}"),
        ("set", "{1, 'a'}"),
        ("frozenset[date]", "frozenset({date(2024, 1, 1)})"),
        ("tuple[date, int]", "(date(2024, 1, 1), 2)"),
        ("tuple[date, ...]", "(date(2024, 1, 1), date(2024, 1, 2))"),
        ("collections.deque[date]", "collections.deque([date(2024, 1, 1)])"),
        ("list[decimal.Decimal]", "[decimal.Decimal('1')]"),
        ("dict[date, set[int]]", "{date(2024, 1, 1): {1}}"),
        ("dict[int, str]", "{1: 'a'}"),
        ("dict[bool, float]", "{True: 1.5}"),
        ("Colour", "Colour.RED"),
        ("Colour", "Colour.DAY"),
        ("Size", "Size.SMALL"),
        ("Row", "Row(date(2024, 1, 1), decimal.Decimal('1'), Row(date(2024, 1, 2), decimal.Decimal('2')))"),
        ("Known", "{'when': moment(2024, 1, 1), 'rows': [Row(date(2024, 1, 1), decimal.Decimal('1'))]}"),
        ("Pair", "Pair(1, b'x')"),
        ("Days", "[date(2024, 1, 1)]"),
        ("Wrapped", "date(2024, 1, 1)"),
        ("typing.Annotated[date, 'the day']", "date(2024, 1, 1)"),
        ("date | None", "date(2024, 1, 1)"),
        ("typing.Optional[date]", "None"),
        ("int | date", "date(2024, 1, 1)"),
        ("int | date", "3"),
        ("'date'", "date(2024, 1, 1)"),
        ("typing.List['Row']", "[Row(date(2024, 1, 1), decimal.Decimal('1'))]"),
    ],
)
def test_what_was_encoded_reaches_the_function_as_it_was(annotation: str, expression: str) -> None:
    value = eval(expression, SPACE)
    back = reached(f"x: {annotation}", x=json.loads(encode(value, 10_000)))["x"]
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("object", {"a": [1]}),
        ("typing.Any", ["2024-02-29"]),
        ("'Missing'", "2024-02-29"),
        ("'list[Missing]'", ["x"]),
        ("typing.Literal['a']", "a"),
        ("str", "2024-02-29"),
        ("str | date", "2024-02-29"),
        ("Days | None", None),
    ],
)
def test_what_no_annotation_speaks_of_stays_as_json_gave_it(annotation: str, value: Any) -> None:
    assert reached(f"x: {annotation}", x=value) == {"x": value}


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        ("dict[int, str]", {"a": "b"}, "x has the key 'a', which is no int"),
        ("list[date]", ["2024-02-29", "tomorrow"], r"x\[1\] is no date"),
        ("Row", {"day": "2024-02-29", "price": "dear"}, "x.price is no Decimal"),
        ("Colour", "blue", "'blue' is no value of Colour"),
        ("Pair", [1], "x is no Pair"),
    ],
)
def test_what_is_no_form_of_its_type_is_told_with_its_place(annotation: str, value: Any, message: str) -> None:
    with pytest.raises(Unfit, match=message):
        reached(f"x: {annotation}", x=value)


def test_a_default_of_none_is_no_date() -> None:
    assert reached("x: date = None", x=None) == {"x": None}
    assert reached("x: date = date(2024, 1, 1)") == {"x": datetime.date(2024, 1, 1)}


@pytest.mark.parametrize(
    ("signature", "given", "expected"),
    [
        ("a, b=2, /", {"a": 1}, {"a": 1, "b": 2}),
        ("a=1, b: date = None, /", {"b": "2024-01-01"}, {"a": 1, "b": datetime.date(2024, 1, 1)}),
        ("a, b=2, *rest: date", {"a": 1, "rest": ["2024-01-01"]}, {"a": 1, "b": 2, "rest": (datetime.date(2024, 1, 1),)}),
        ("a, *rest", {"a": 1}, {"a": 1, "rest": ()}),
        ("*, a: date", {"a": "2024-01-01"}, {"a": datetime.date(2024, 1, 1)}),
        ("a, **more: date", {"a": 1, "b": "2024-01-01"}, {"a": 1, "more": {"b": datetime.date(2024, 1, 1)}}),
    ],
)
def test_arguments_come_by_place_where_the_signature_wants_them_so(signature: str, given: Any, expected: Any) -> None:
    assert reached(signature, **given) == expected


def test_a_missing_argument_before_others_is_told_and_no_other_takes_its_place() -> None:
    with pytest.raises(TypeError, match="'a' is missing"):
        reached("a, *rest", rest=[1])


def test_an_argument_too_many_is_python_s_own_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        reached("a", a=1, b=2)


def test_a_pydantic_model_is_validated_by_itself_after_its_fields_were_brought_back() -> None:
    class Model:
        day: datetime.date

        def __init__(self, day: object) -> None:
            self.day = day  # type: ignore[assignment]

        @classmethod
        def model_validate(cls, value: dict[str, object]) -> "Model":
            return cls(**value)

    SPACE["Model"] = Model
    assert reached("x: Model", x={"day": "2024-02-29"})["x"].day == datetime.date(2024, 2, 29)
