"""What files say about events, and the rules that it means."""

from typing import Any

import pytest

from selfsmith import CannotBePushed
from selfsmith.models import Function
from selfsmith.triggers import rule_of, triggers_of


def function(*needed: str, more: tuple[str, ...] = ()) -> Function:
    names = [*needed, *more]
    schema = {"properties": {name: {} for name in names}, "required": list(needed), "x-order": names}
    return Function.model_construct(name="runs_then", input_schema=schema)


def rule(text: str, runs: Function | None = None) -> dict[str, Any]:
    (said,) = triggers_of("mine.py", text)
    return rule_of(said, runs or function("text"))


def test_all_spellings_of_a_trigger_are_read() -> None:
    text = """
import selfsmith
from selfsmith import register_trigger
selfsmith.register_trigger(event_type="a.b", trigger_function="one")
register_trigger(event_type="a.b", trigger_function="two")

@selfsmith.register_trigger(event_type="a.b")
@selfsmith.register_function(name="three")
def other(): ...

@register_trigger(event_type="a.b")
@selfsmith.register_trigger(event_type="c.d", target_function="one")
async def four(): ...

@selfsmith.register_function(triggers=["one", "two"])
def five(text): ...
"""
    found = [(each.runs, each.event_type, each.about, each.line) for each in triggers_of("mine.py", text)]
    assert found == [
        ("one", "a.b", None, 4),
        ("two", "a.b", None, 5),
        ("three", "a.b", None, 7),
        ("four", "a.b", None, 11),
        ("four", "c.d", "one", 12),
        ("five", "run.succeeded", "one", 16),
        ("five", "run.succeeded", "two", 16),
    ]


def test_the_trigger_that_the_seed_shows_is_a_rule() -> None:
    text = """
register_trigger(
    event_type="function_updated",
    target_function="data_processor",
    trigger_function="validate_processor",
    conditions={"auto_validate": True}
)
"""
    assert rule(text, function("name")) == {
        "name": "validate_processor on function.updated of data_processor",
        "event_type": "function.updated",
        "function": "data_processor",
        "target": "validate_processor",
        "condition": "has(event.data.auto_validate) && event.data.auto_validate == true",
        "arguments": {"name": "event.data.function"},
    }


@pytest.mark.parametrize(
    ("said", "condition"),
    [
        ("'event.data.n > 1'", "event.data.n > 1"),
        ("None", ""),
        ("{}", ""),
        ("{'a.b': 'x\"y'}", 'has(event.data.a) && has(event.data.a.b) && event.data.a.b == "x\\"y"'),
        ("{'a': 1, 'b': None}", "has(event.data.a) && event.data.a == 1 && has(event.data.b) && event.data.b == null"),
    ],
)
def test_conditions_are_an_expression_or_fields_with_their_values(said: str, condition: str) -> None:
    assert rule(f"register_trigger(event_type='a.b', trigger_function='c', conditions={said})")["condition"] == condition


@pytest.mark.parametrize("said", ["{'a) || true || (b': 1}", "{'': 1}", "{'a.': 1}", "{1: 1}", "{'a': [1]}", "{'a': {'b': 1}}"])
def test_a_condition_that_would_say_something_else_is_refused_with_its_line(said: str) -> None:
    with pytest.raises(CannotBePushed, match=r"mine\.py, line 1"):
        rule(f"register_trigger(event_type='a.b', trigger_function='c', conditions={said})")


@pytest.mark.parametrize(
    ("event_type", "runs", "arguments"),
    [
        ("run_succeeded", function("text"), {"text": "event.data.result"}),
        ("run.failed", function("text"), {"text": "event.data"}),
        ("function.activated", function("name"), {"name": "event.data.function"}),
        ("order.paid", function("order"), {"order": "event.data"}),
        ("order.paid", function("event"), {"event": "event"}),
        ("order.paid", function(more=("first", "second")), {"first": "event.data"}),
        ("order.paid", function(), {}),
    ],
)
def test_without_a_word_a_function_that_needs_one_argument_gets_what_happened(
    event_type: str, runs: Function, arguments: Any
) -> None:
    assert rule(f"register_trigger(event_type='{event_type}', trigger_function='c')", runs)["arguments"] == arguments


def test_a_function_that_needs_several_arguments_must_be_told_them() -> None:
    text = "register_trigger(event_type='a.b', trigger_function='c'{})"
    with pytest.raises(CannotBePushed, match="one, two"):
        rule(text.format(""), function("one", "two"))
    said = {"one": "event.data.x", "two": "2"}
    assert rule(text.format(f", arguments={said}"), function("one", "two"))["arguments"] == said


@pytest.mark.parametrize(
    "words", ["event_type=NAME", "event_type='a' + b()", "**said", "trigger_function='c'", "event_type='a.b'"]
)
def test_a_trigger_that_is_not_written_out_is_refused_with_its_line(words: str) -> None:
    with pytest.raises(CannotBePushed, match=r"mine\.py, line 2"):
        triggers_of("mine.py", f"\nregister_trigger({words})")


def test_triggers_are_read_and_not_run() -> None:
    with pytest.raises(CannotBePushed):
        triggers_of("mine.py", "register_trigger(event_type=exit(3), trigger_function='c')")


def test_what_is_no_python_is_left_to_the_platform_to_tell() -> None:
    assert triggers_of("mine.py", "def (") == []
    assert triggers_of("mine.py", "\0") == []
