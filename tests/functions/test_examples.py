"""Examples of versions: how they are written, what is refused, what meets them, and that they stay."""

import json
import time
from typing import Any

import pytest

from apps.core.canonical import canonical_json
from apps.core.cel import ConditionUnclear
from apps.functions import examples as examples_module
from apps.functions.comparison import compare
from apps.functions.examples import MOST_EXAMPLES, InvalidExample, clean_examples, example_lines, is_met, parse_examples
from apps.functions.models import Function

SOURCE = "def clean(text: str, times: int = 1) -> str:\n    return text.strip() * times\n"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}
GOOD = {"arguments": {"text": " a "}, "result": "a"}


def nested(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


def test_what_a_person_writes_is_read_and_written_again() -> None:
    text = '{"text": " a => b "} => "a => b"\n\n  {"text": 1} => raises TypeError\n{} => {"rows": [1, null]}\n{}=>null'
    text += '\n{"n": 4} => holds  result > arguments.n && result != 9'
    read = parse_examples(text)
    assert read == [
        {"arguments": {"text": " a => b "}, "result": "a => b"},
        {"arguments": {"text": 1}, "raises": "TypeError"},
        {"arguments": {}, "result": {"rows": [1, None]}},
        {"arguments": {}, "result": None},
        {"arguments": {"n": 4}, "holds": "result > arguments.n && result != 9"},
    ]
    assert parse_examples("\n".join(example_lines(read))) == read


def test_no_character_inside_an_example_ends_its_line() -> None:
    examples = [{"arguments": {"text": "a\u2028b\x85c\x0bd\ne"}, "result": "\u2029\x1c\r"}]
    assert parse_examples("\r\n".join(example_lines(examples))) == examples


@pytest.mark.parametrize(
    "line",
    ["{}", "{} =>", '{} -> "a"', '{} x => "a"', "text => a", '{"text": => "a"', "[" * 9000],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_told_with_its_number_and_how_to_write_it(line: str) -> None:
    with pytest.raises(InvalidExample, match="Example 2 cannot be read"):
        parse_examples(f"{{}} => 1\n{line}")


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ({"arguments": {"text": 1}, "result": "a"}, "text"),
        ({"arguments": {"word": "a"}, "result": "a"}, "word"),
        ({"arguments": [], "result": "a"}, "must be an object"),
        ({"arguments": {"text": "a"}}, "needs"),
        ({"arguments": {"text": "a"}, "result": 1, "raises": "E"}, "needs"),
        ({"arguments": {"text": "a"}, "result": 1, "more": 1}, "needs"),
        ({"arguments": {"text": "a"}, "raises": "two words"}, "Name the class"),
        ({"arguments": {"text": "a"}, "raises": 1}, "Name the class"),
        ({"arguments": {"text": "a"}, "result": "\0"}, "What it expects"),
        ({"arguments": {"text": "a"}, "result": nested(65)}, "nested more than 64 deep"),
        ({"arguments": {"text": "a"}, "holds": "result >"}, "it ends too early"),
        ({"arguments": {"text": "a"}, "holds": "output > 3"}, "no “output” here. An expression reads arguments and result"),
        ({"arguments": {"text": "a"}, "holds": ""}, "on one line"),
        ({"arguments": {"text": "a"}, "holds": "result\n> 3"}, "on one line"),
        ({"arguments": {"text": "a"}, "holds": 3}, "on one line"),
        ({"arguments": {"text": "a"}, "holds": "'\ud800' == result"}, "cannot be kept"),
        ({"arguments": {"text": "a"}, "holds": "(" * 17 + "true" + ")" * 17}, "16 deep"),
        ({"arguments": {"text": "a"}, "result": float("nan")}, "not finite"),
        ({"arguments": {"text": "\ud800"}, "result": 1}, "cannot be kept"),
    ],
)
def test_what_could_not_be_tried_or_kept_is_refused(example: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidExample, match=words) as caught:
        clean_examples([GOOD, example], SCHEMA)
    assert caught.value.details["number"] == 2


def test_there_is_an_end_to_how_many_and_how_large(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidExample, match="At most 20"):
        clean_examples([GOOD] * (MOST_EXAMPLES + 1), SCHEMA)
    monkeypatch.setattr(examples_module, "MOST_BYTES", len(canonical_json([GOOD])))
    assert clean_examples([GOOD], SCHEMA) == [GOOD]
    with pytest.raises(InvalidExample, match="larger than"):
        clean_examples([GOOD, GOOD], SCHEMA)


@pytest.mark.parametrize(
    ("expected", "given", "met"),
    [
        ("a", "a", True), ("a", "b", False), (1, 1.0, True), (1, True, False), (0, False, False), (True, True, True),
        (None, None, True), (None, False, False), ([1, [2]], [1, [2.0]], True), ([1], [1, 2], False), ([True], [1], False),
        ({"a": 1}, {"a": 1}, True), ({"a": 1}, {"a": 1, "b": None}, False), ({"a": True}, {"a": 1}, False), ([], {}, False),
    ],
)  # fmt: skip
def test_results_are_compared_as_json_compares(expected: Any, given: Any, met: bool) -> None:
    assert is_met({"arguments": {}, "result": expected}, result=given, error_type=None) is met


def test_an_error_is_expected_by_its_class_and_no_result_stands_for_it() -> None:
    example = {"arguments": {}, "raises": "ValueError"}
    assert is_met(example, result=None, error_type="ValueError")
    assert is_met(example, result=None, error_type="json.decoder.ValueError")
    assert not is_met(example, result=None, error_type="TypeError")
    assert not is_met(example, result="ValueError", error_type=None)
    assert not is_met({"arguments": {}, "result": None}, result=None, error_type="ValueError")


@pytest.mark.parametrize(
    ("condition", "result", "met"),
    [
        ("result > 3", 4, True), ("result > 3", 3, False), ("result.all(row, row.n <= arguments.n)", [{"n": 4}, {"n": 5}], False),
        ("result.startsWith('a') && size(result) == arguments.n", "abcd", True), ("result == null", None, True),
    ],
)  # fmt: skip
def test_a_condition_reads_arguments_and_result(condition: str, result: Any, met: bool) -> None:
    assert is_met({"arguments": {"n": 4}, "holds": condition}, result=result, error_type=None) is met


@pytest.mark.parametrize("condition", ["result.missing", "result + 'a' == 'b'", "result"])
def test_a_condition_that_is_neither_true_nor_false_says_why(condition: str) -> None:
    with pytest.raises(ConditionUnclear, match="The condition"):
        is_met({"arguments": {}, "holds": condition}, result=4, error_type=None)


def test_an_error_meets_no_condition() -> None:
    assert not is_met({"arguments": {}, "holds": "true"}, result=None, error_type="ValueError")


def test_a_hostile_condition_ends_at_once_and_is_not_met() -> None:
    loops = "result.map(a, result.map(b, result.map(c, a + b + c))).size() > 0"
    began = time.monotonic()
    with pytest.raises(ConditionUnclear, match="too much time or memory"):
        is_met({"arguments": {}, "holds": loops}, result=list(range(5000)), error_type=None)
    assert time.monotonic() - began < 3


def test_examples_stay_through_edits_that_do_not_speak_of_them(make, save) -> None:
    function = make(SOURCE, examples=[GOOD])
    second = save(function, SOURCE + "# 2\n")
    third = save(function, SOURCE + "# 2\n", examples=[])
    assert [version.examples for version in (function.versions.get(number=1), second, third)] == [[GOOD], [GOOD], []]
    assert second.digest == third.digest
    assert third.changes == "examples"
    assert compare(second, third).settings[0].before == ['{"text": " a "} => "a"']


def test_an_edit_that_no_longer_fits_an_example_is_refused_and_nothing_is_stored(make, save) -> None:
    function = make(SOURCE, examples=[GOOD])
    with pytest.raises(InvalidExample, match="Example 1"):
        save(function, "def clean(word: str) -> str:\n    return word\n")
    assert function.versions.count() == 1
    with pytest.raises(InvalidExample):
        make("def other(): ...", examples=[GOOD])
    assert not Function.objects.filter(name="other").exists()
