"""The run form: fields from a signature, arguments from what a browser sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.functions.analysis import analyse
from apps.functions.arguments import ArgumentsInvalid, validate_arguments
from apps.functions.form import Kind, form_fields, parse_form, prefill, refill, without_field

SOURCE = '''
from typing import Any, Literal, Optional

def report(title: str, body: str, count: int, rate: float = 0.5, draft: bool = True, kind: Literal["a", 2] = "a",
           rows: list[int] = [1], anything=None, note: Optional[str] = None, flag: bool | None = None,
           sep: str = ",", must: int | None = ..., **more):
    """Report.

    Args:
        title: The title.
    """
'''
SCHEMA = analyse(SOURCE).schema
FIELDS = form_fields(SCHEMA)
BY_NAME = {field.name: field for field in FIELDS}
FILLED = {"argument-title": "T", "argument-body": "B", "argument-count": "3"}


def sent(**values: str) -> dict[str, str]:
    return {**FILLED, **{f"argument-{name}": value for name, value in values.items()}}


def errors(**values: str) -> dict[str, str]:
    with pytest.raises(ArgumentsInvalid) as caught:
        parse_form(FIELDS, sent(**values))
    return caught.value.fields


def test_fields_come_in_the_order_of_the_signature_with_their_kinds() -> None:
    assert [(field.name, field.kind.value) for field in FIELDS] == [
        ("title", "text"),
        ("body", "multiline"),
        ("count", "integer"),
        ("rate", "number"),
        ("draft", "checkbox"),
        ("kind", "select"),
        ("rows", "json"),
        ("anything", "json"),
        ("note", "text"),
        ("flag", "select"),
        ("sep", "text"),
        ("must", "integer"),
        ("more", "json"),
    ]


def test_a_field_tells_label_help_default_and_whether_it_is_required() -> None:
    title = BY_NAME["title"]
    assert (title.label, title.help, title.required, title.text) == ("Title", "The title.", True, "")
    assert (BY_NAME["rate"].text, BY_NAME["rate"].required) == ("0.5", False)
    assert (BY_NAME["rows"].text, BY_NAME["rows"].help) == ("[1]", "A JSON list.")
    assert BY_NAME["draft"].is_checked
    assert [(choice.value, choice.label) for choice in BY_NAME["kind"].choices] == [('"a"', "a"), ("2", "2")]
    assert [choice.value for choice in BY_NAME["flag"].choices] == ["true", "false", "null"]


def test_what_a_browser_sends_becomes_arguments() -> None:
    data = sent(rate="2", kind="2", rows="[4]", anything="plain", note="", flag="null", sep="", more='{"z": 1}', body="a\r\nb")
    assert parse_form(FIELDS, data) == {
        "title": "T",
        "body": "a\nb",
        "count": 3,
        "rate": 2.0,
        "draft": False,
        "kind": 2,
        "rows": [4],
        "anything": "plain",
        "flag": None,
        "sep": "",
        "z": 1,
    }


def test_a_field_that_is_left_blank_leaves_the_default_to_python() -> None:
    arguments = parse_form(FIELDS, sent(rate=" ", rows="", anything="", kind=""))
    assert arguments.keys() == {"title", "body", "count", "draft"}


def test_each_field_that_cannot_be_read_is_told() -> None:
    assert errors(count="three", rate="x", kind='"c"', rows="[1", more="[]") == {
        "count": "This must be a whole number.",
        "rate": "This must be a number.",
        "kind": "This is not one of the choices.",
        "rows": 'This must be JSON, such as [1, 2] or {"a": 1}.',
        "more": "This must be a JSON object: names with their values.",
    }
    assert errors(count="", title="") == {"count": "This argument is required.", "title": "This argument is required."}
    assert errors(rate="inf") == {"rate": "This must be a finite number."}
    assert "count" in errors(count="9" * 5_000)
    assert "rows" in errors(rows="[" * 100_000)


def test_further_arguments_do_not_replace_the_named_ones() -> None:
    assert parse_form(FIELDS, sent(more='{"title": "other"}'))["title"] == "T"


def test_a_form_comes_back_as_it_was_left_with_its_complaints() -> None:
    filled = {field.name: field for field in refill(FIELDS, sent(count="three"), {"count": "No.", "rows.0": "Wrong."})}
    assert (filled["count"].text, filled["count"].error) == ("three", "No.")
    assert filled["rows"].error == "Wrong."
    assert not filled["draft"].is_checked


GIVEN = {
    "title": "A \"quoted\" title", "body": "two\nlines", "count": 7, "rate": 0.25, "draft": False, "kind": 2, "rows": [3, 4],
    "anything": "5", "note": "n", "flag": None, "sep": "", "must": 9, "further": {"a": [1]},
}  # fmt: skip


@pytest.mark.parametrize("anything", ["5", "text", 5, None, [1], {"a": None}, True])
def test_a_form_that_is_filled_in_with_arguments_and_sent_as_it_is_gives_them_again(anything: object) -> None:
    given = {**GIVEN, "anything": anything}
    sent_back = {
        field.html_name: field.text for field in prefill(FIELDS, given) if field.kind is not Kind.CHECKBOX or field.is_checked
    }
    got = parse_form(FIELDS, sent_back)
    assert {name: got.get(name) for name in given} == given


def test_arguments_that_were_left_out_show_their_defaults() -> None:
    filled = {field.name: field.text for field in prefill(FIELDS, {"title": "T"})}
    assert (filled["title"], filled["rate"], filled["sep"], filled["note"]) == ("T", "0.5", ",", "")


def test_a_value_that_no_longer_fits_its_field_is_shown_and_complained_of_when_it_is_sent() -> None:
    fields = form_fields(analyse("def f(title: str, count: int): ...").schema)
    filled = {field.html_name: field.text for field in prefill(fields, {"title": ["a"], "count": "many"})}
    assert filled == {"argument-title": '["a"]', "argument-count": '"many"'}
    with pytest.raises(ArgumentsInvalid):
        parse_form(fields, filled)


def test_arguments_for_which_there_is_no_field_are_named() -> None:
    fields = form_fields(analyse("def f(title: str): ...").schema)
    assert without_field(fields, {"title": "a", "old": 1, "gone": 2}) == ["gone", "old"]
    assert without_field(FIELDS, {"old": 1}) == [], "the further arguments take it"


def test_a_required_argument_that_may_be_null_is_null_when_blank() -> None:
    fields = form_fields(analyse("def f(x: int | None): ...").schema)
    assert parse_form(fields, {"argument-x": ""}) == {"x": None}


def test_a_class_of_the_module_is_given_as_json_and_an_enumeration_as_a_select() -> None:
    source = "import enum\nclass C(enum.StrEnum):\n    A = 'a'\nclass R: ...\ndef f(c: C, r: R): ..."
    kinds = {field.name: field.kind for field in form_fields(analyse(source).schema)}
    assert kinds == {"c": Kind.SELECT, "r": Kind.JSON}


@given(st.dictionaries(st.sampled_from([field.html_name for field in FIELDS]), st.text(max_size=20)))
def test_anything_typed_gives_arguments_or_a_sentence_per_field(data: dict[str, str]) -> None:
    refusal = refused(data)
    assert refusal is None or all(sentence.endswith(".") for sentence in refusal.fields.values())
    assert {"title", "body", "count"} <= data_names(data) or refusal is not None


def data_names(data: dict[str, str]) -> set[str]:
    return {name.removeprefix("argument-") for name in data}


def refused(data: dict[str, str]) -> ArgumentsInvalid | None:
    try:
        validate_arguments(SCHEMA, parse_form(FIELDS, data))
    except ArgumentsInvalid as refusal:
        return refusal
    return None
