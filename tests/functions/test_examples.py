"""Examples of versions: how they are written, what is refused, what meets them, and that they stay."""

from typing import Any

import pytest

from apps.core.canonical import canonical_json
from apps.functions import examples as examples_module
from apps.functions.comparison import compare
from apps.functions.examples import MOST_EXAMPLES, InvalidExample, clean_examples, example_lines, is_met, parse_examples
from apps.functions.models import Function

SOURCE = "def clean(text: str, times: int = 1) -> str:\n    return text.strip() * times\n"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}
GOOD = {"arguments": {"text": " a "}, "result": "a"}


def test_what_a_person_writes_is_read_and_written_again() -> None:
    text = '{"text": " a => b "} => "a => b"\n\n  {"text": 1} => raises TypeError\n{} => {"rows": [1, null]}\n{}=>null'
    read = parse_examples(text)
    assert read == [
        {"arguments": {"text": " a => b "}, "result": "a => b"},
        {"arguments": {"text": 1}, "raises": "TypeError"},
        {"arguments": {}, "result": {"rows": [1, None]}},
        {"arguments": {}, "result": None},
    ]
    assert parse_examples("\n".join(example_lines(read))) == read


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
        ({"arguments": {"text": "a"}, "raises": "two words"}, "name the class"),
        ({"arguments": {"text": "a"}, "raises": 1}, "name the class"),
        ({"arguments": {"text": "a"}, "result": "\0"}, "its result"),
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
