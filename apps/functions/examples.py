"""Examples of a version: arguments, and what it must give for them. They are tried in boxes by apps.runs.examples."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.core.canonical import canonical_json
from apps.core.errors import DomainError, Invalid
from apps.functions.arguments import find_unkeepable, validate_arguments

MOST_EXAMPLES = 20
MOST_BYTES = 64 * 1024
"""Of all examples of a version, as JSON: they are read with it."""
RAISES = "raises"
_ARROW = "=>"
_ERROR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DECODER = json.JSONDecoder()

type Example = dict[str, Any]
"""`arguments`, and either `result` or `raises`: the name of an error's class."""


class InvalidExample(Invalid):
    """`details["number"]` counts from 1; 0 when it is about all of them."""

    code = "invalid_example"


def clean_examples(examples: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> list[Example]:
    """Refuse what could not be tried: examples are kept with a version and never change.

    Raises:
        InvalidExample
    """
    if len(examples) > MOST_EXAMPLES:
        raise InvalidExample(f"At most {MOST_EXAMPLES} examples are kept with a version.", number=0)
    cleaned = [_cleaned(number, example, schema) for number, example in enumerate(examples, start=1)]
    if len(canonical_json(cleaned).encode()) > MOST_BYTES:
        raise InvalidExample(f"The examples are larger than {MOST_BYTES // 1024} KiB together.", number=0)
    return cleaned


def parse_examples(text: str) -> list[Example]:
    """Read what a person writes, one example a line: `{"text": "a"} => "A"`, or `{"text": 1} => raises TypeError`.

    Raises:
        InvalidExample
    """
    lines = filter(None, (line.strip() for line in text.splitlines()))
    return [_parsed(number, line) for number, line in enumerate(lines, start=1)]


def example_lines(examples: Iterable[Mapping[str, Any]]) -> list[str]:
    """The way back: what `parse_examples` reads."""
    return [f"{_written(example['arguments'])} {_ARROW} {expectation(example)}" for example in examples]


def expectation(example: Mapping[str, Any]) -> str:
    """What an example expects, as a person writes it."""
    return f"{RAISES} {example[RAISES]}" if RAISES in example else _written(example["result"])


def is_met(example: Mapping[str, Any], *, result: Any, error_type: str | None) -> bool:
    """Whether an execution gave what was expected; `error_type` is the class of the error that ended it, if one did."""
    if RAISES in example:
        return error_type is not None and error_type.rpartition(".")[2] == example[RAISES]
    return error_type is None and _is_same(example["result"], result)


def _is_same(expected: Any, given: Any) -> bool:
    """As JSON compares: 1 and 1.0 are one number, and true is none."""
    if isinstance(expected, bool) or isinstance(given, bool):
        return expected is given
    if isinstance(expected, dict) and isinstance(given, dict):
        return expected.keys() == given.keys() and all(_is_same(value, given[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(given, list):
        return len(expected) == len(given) and all(map(_is_same, expected, given))
    return bool(expected == given)


def _cleaned(number: int, example: Mapping[str, Any], schema: Mapping[str, Any]) -> Example:
    if set(example) not in ({"arguments", "result"}, {"arguments", RAISES}):
        raise InvalidExample(f"Example {number} needs “arguments”, and “result” or “{RAISES}”.", number=number)
    if RAISES in example and not (isinstance(example[RAISES], str) and _ERROR_NAME.fullmatch(example[RAISES])):
        raise InvalidExample(f"Example {number}: name the class of the error, such as ValueError.", number=number)
    if unkeepable := find_unkeepable(example.get("result")):
        raise InvalidExample(f"Example {number}, its result: {next(iter(unkeepable.values()))}", number=number)
    try:
        validate_arguments(schema, example["arguments"])
    except DomainError as error:
        raise InvalidExample(f"Example {number}: {error.message}", number=number) from error
    return dict(example)


def _parsed(number: int, line: str) -> Example:
    try:
        arguments, end = _DECODER.raw_decode(line)
        arrow, _, rest = line[end:].partition(_ARROW)
        if arrow.strip() or not rest.strip():
            raise ValueError(line)
        if rest.split()[0] == RAISES:
            return {"arguments": arguments, RAISES: rest.strip().removeprefix(RAISES).strip()}
        return {"arguments": arguments, "result": json.loads(rest)}
    except (ValueError, RecursionError):
        raise InvalidExample(
            f'Example {number} cannot be read. Write arguments and result as JSON: {{"text": "a"}} {_ARROW} "A", or what it '
            f'raises: {{"text": 1}} {_ARROW} {RAISES} TypeError',
            number=number,
        ) from None


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
