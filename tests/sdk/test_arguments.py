"""Arguments of the command line and by position, as a function's parameters take them."""

from pathlib import Path
from typing import Any

import click
import pytest

from selfsmith import Invalid
from selfsmith.cli.running import read_arguments
from selfsmith.models import Function
from selfsmith.nouns.functions import bind

SCHEMA = {
    "properties": {"text": {"type": "string"}, "times": {"type": "integer"}, "rows": {"type": "array"}, "any": {}},
    "x-order": ["text", "times", "rows", "any"],
}
FUNCTION = Function.model_construct(name="shout", input_schema=SCHEMA)


@pytest.mark.parametrize(
    ("pairs", "arguments"),
    [
        (("text=01234",), {"text": "01234"}),
        (("text=true",), {"text": "true"}),
        (("text=",), {"text": ""}),
        (("text=a=b",), {"text": "a=b"}),
        (("times=3",), {"times": 3}),
        (("times=three",), {"times": "three"}),
        (('rows=[{"a": 1}]',), {"rows": [{"a": 1}]}),
        (("any=null", "times=1"), {"any": None, "times": 1}),
        (("other=1",), {"other": 1}),
    ],
)
def test_values_are_read_as_the_function_takes_them(pairs: tuple[str, ...], arguments: Any) -> None:
    assert read_arguments(FUNCTION, pairs, None) == arguments


def test_single_arguments_come_on_top_of_those_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "of the file", "times": 2}')
    assert read_arguments(FUNCTION, ("times=3",), f"@{tmp_path / 'a.json'}") == {"text": "of the file", "times": 3}


@pytest.mark.parametrize("given", ["[1]", "{", "1", "@no-such-file", "[" * 100_000])
def test_arguments_that_cannot_be_read_are_the_callers_mistake(given: str) -> None:
    with pytest.raises(click.UsageError):
        read_arguments(FUNCTION, (), given)
    with pytest.raises(click.UsageError, match="NAME=VALUE"):
        read_arguments(FUNCTION, ("text",), None)


def test_positions_are_those_of_the_signature() -> None:
    assert bind(FUNCTION, ["hi", 2], {"any": 1}) == {"text": "hi", "times": 2}
    with pytest.raises(Invalid, match="takes 4"):
        bind(FUNCTION, range(5), {})
    with pytest.raises(Invalid, match="text twice"):
        bind(FUNCTION, ["hi"], {"text": "ho"})
