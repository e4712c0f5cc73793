"""Examples of a version: arguments, and what it must give for them. They are tried in boxes by apps.runs.examples."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.core.canonical import canonical_json
from apps.core.cel import BadExpression, check_condition, holds
from apps.core.errors import DomainError, Invalid
from apps.functions.arguments import find_unkeepable, validate_arguments

MOST_EXAMPLES = 20
MOST_BYTES = 64 * 1024
"""Of all examples of a version, as JSON: they are read with it."""
RESULT = "result"
RAISES = "raises"
HOLDS = "holds"
_ARROW = "=>"
_ERROR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DECODER = json.JSONDecoder()

type Example = dict[str, Any]
"""`arguments`, and one of `result`; `raises`, the name of an error's class; `holds`, a condition in CEL."""


class InvalidExample(Invalid):
    """`details["number"]` counts from 1; 0 when it is about all of them."""

    code = "invalid_example"


def clean_examples(examples: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> list[Example]:
    """Refuse what could not be tried: examples are kept with a version and never change.

    Raises:
        InvalidExample, EvaluatorAway
    """
    if len(examples) > MOST_EXAMPLES:
        raise InvalidExample(f"At most {MOST_EXAMPLES} examples are kept with a version.", number=0)
    for number, example in enumerate(examples, start=1):
        try:
            _check(example, schema)
        except Invalid as error:
            raise InvalidExample(f"Example {number}: {error.message}", number=number) from error
    if len(canonical_json(examples).encode()) > MOST_BYTES:
        raise InvalidExample(f"The examples are larger than {MOST_BYTES // 1024} KiB together.", number=0)
    return [dict(example) for example in examples]


def parse_examples(text: str) -> list[Example]:
    """Read what a person writes, one example a line: `{"text": "a"} => "A"`, `{"text": 1} => raises TypeError`, or
    `{"text": "a"} => holds size(result) == 1`.

    Raises:
        InvalidExample
    """
    # Not splitlines: a text inside an example may hold other characters that end lines.
    lines = filter(None, (line.strip() for line in text.split("\n")))
    return [_parsed(number, line) for number, line in enumerate(lines, start=1)]


def example_lines(examples: Iterable[Mapping[str, Any]]) -> list[str]:
    """The way back: what `parse_examples` reads."""
    return [f"{_written(example['arguments'])} {_ARROW} {expectation(example)}" for example in examples]


def expectation(example: Mapping[str, Any]) -> str:
    """What an example expects, as a person writes it."""
    said = next((f"{word} {example[word]}" for word in (RAISES, HOLDS) if word in example), None)
    return _written(example[RESULT]) if said is None else said


def is_met(example: Mapping[str, Any], *, result: Any, error_type: str | None) -> bool:
    """Whether an execution gave what was expected; `error_type` is the class of the error that ended it, if one did.

    Raises:
        ConditionUnclear, EvaluatorAway
    """
    if RAISES in example:
        return error_type is not None and error_type.rpartition(".")[2] == example[RAISES]
    if error_type is not None:
        return False
    if HOLDS in example:
        return holds(example[HOLDS], {"arguments": example["arguments"], RESULT: result}, such_as="result > 3")
    return _is_same(example[RESULT], result)


def _is_same(expected: Any, given: Any) -> bool:
    """As JSON compares: 1 and 1.0 are one number, and true is none."""
    if isinstance(expected, bool) or isinstance(given, bool):
        return expected is given
    if isinstance(expected, dict) and isinstance(given, dict):
        return expected.keys() == given.keys() and all(_is_same(value, given[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(given, list):
        return len(expected) == len(given) and all(map(_is_same, expected, given))
    return bool(expected == given)


def _check(example: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    words = set(example) - {"arguments"}
    if "arguments" not in example or len(words) != 1 or not words <= {RESULT, RAISES, HOLDS}:
        raise Invalid(f"It needs “arguments”, and one of “{RESULT}”, “{RAISES}” and “{HOLDS}”.")
    word = words.pop()
    if unkeepable := find_unkeepable(example[word]):
        raise Invalid(f"What it expects: {next(iter(unkeepable.values()))}")
    if word == RAISES and not (isinstance(example[word], str) and _ERROR_NAME.fullmatch(example[word])):
        raise Invalid("Name the class of the error, such as ValueError.")
    if word == HOLDS:
        _check_condition(example[word])
    try:
        validate_arguments(schema, example["arguments"])
    except DomainError as error:
        raise Invalid(error.message) from error


def _check_condition(text: object) -> None:
    if not isinstance(text, str) or not text.strip() or len(text.splitlines()) > 1:
        raise BadExpression("Write the condition on one line, such as result > 3.")
    check_condition(text, known=["arguments", RESULT], such_as="arguments")


def _parsed(number: int, line: str) -> Example:
    try:
        arguments, end = _DECODER.raw_decode(line)
        arrow, _, rest = line[end:].partition(_ARROW)
        if arrow.strip() or not rest.strip():
            raise ValueError(line)
        word, *said = rest.split(maxsplit=1)
        if word in (RAISES, HOLDS):
            return {"arguments": arguments, word: "".join(said).strip()}
        return {"arguments": arguments, RESULT: json.loads(rest)}
    except (ValueError, RecursionError):
        raise InvalidExample(
            f'Example {number} cannot be read. Write arguments and result as JSON: {{"text": "a"}} {_ARROW} "A", what it raises: '
            f'{{"text": 1}} {_ARROW} {RAISES} TypeError, or what must hold: {{"text": "a"}} {_ARROW} {HOLDS} size(result) == 1',
            number=number,
        ) from None


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
