"""Checks the arguments of a run against the schema that the function's signature gave, in the user's words."""

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from apps.core.canonical import canonical_json
from apps.core.errors import Invalid, TooLarge
from apps.functions.reader.literals import storable

MAX_ARGUMENT_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_ALTERNATIVES = 10_000
"""Unions of classes followed for one set of arguments: two classes that hold each other double the work at each level."""

MAX_MESSAGES = 50
"""Enough for a person to mend a form; a list of a million wrong rows must not come back as a million messages."""

WHOLE = ""
"""The path of a complaint about the arguments as a whole."""


class ArgumentsInvalid(Invalid):
    """The arguments do not fit the function; `details["fields"]` maps each path (`rows.0.name`) to a sentence."""

    code = "arguments_invalid"

    def __init__(self, fields: Mapping[str, str]) -> None:
        sentences = [f"{path}: {text}" if path else text for path, text in fields.items()]
        super().__init__("The arguments do not fit. " + " ".join(sentences[:3]), fields=dict(fields))
        self.fields = dict(fields)


class ArgumentsTooLarge(TooLarge):
    code = "arguments_too_large"


def validate_arguments(schema: Mapping[str, Any], arguments: object) -> None:
    """Check arguments before anything is queued.

    Raises:
        ArgumentsInvalid: they do not fit the schema, or hold what JSON or the database cannot keep.
        ArgumentsTooLarge: they have more than `MAX_ARGUMENT_BYTES` as canonical JSON.
    """
    if not isinstance(arguments, dict):
        raise ArgumentsInvalid({WHOLE: "The arguments must be an object: names with their values."})
    if unkeepable := find_unkeepable(arguments):
        raise ArgumentsInvalid(unkeepable)
    if len(canonical_json(arguments).encode()) > MAX_ARGUMENT_BYTES:
        raise ArgumentsTooLarge(f"The arguments are larger than {MAX_ARGUMENT_BYTES} bytes. Send large data as a file.")
    if fields := _complaints(schema, arguments):
        raise ArgumentsInvalid(fields)


def _complaints(schema: Mapping[str, Any], arguments: dict[str, Any]) -> dict[str, str]:
    fields: dict[str, str] = {}
    _alternatives_left.set(MAX_ALTERNATIVES)
    for error in _Validator(schema, format_checker=FORMATS).iter_errors(arguments):
        for path, text in _sentences(error):
            fields.setdefault(path, text)
        if len(fields) >= MAX_MESSAGES:
            break
    return fields


def find_unkeepable(value: object) -> dict[str, str]:
    """Give the paths in a JSON value that JSON or the database cannot keep, each with a sentence; a few are enough."""
    return dict(islice(_unkeepable(value, (), MAX_DEPTH), MAX_MESSAGES))


def _unkeepable(value: object, path: tuple[str | int, ...], depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0:
        yield _joined(path[:3]), f"The value is nested more than {MAX_DEPTH} deep."
        return
    match value:
        case str() if not storable(value):
            yield _joined(path), "The text contains a NUL or a broken character, which cannot be kept."
        case float() if not math.isfinite(value):
            yield _joined(path), "The number is not finite, which JSON cannot say."
        case list():
            for number, item in enumerate(value):
                yield from _unkeepable(item, (*path, number), depth - 1)
        case dict():
            for key, item in value.items():
                yield from _unkeepable(key, (*path, str(key)[:40]), depth - 1)
                yield from _unkeepable(item, (*path, str(key)[:40]), depth - 1)


def _joined(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)


_TYPE_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "nothing (null)",
}
_FORMAT_NAMES = {
    "date": "a date such as 2026-02-28",
    "date-time": "a date and time such as 2026-02-28T17:30:00",
    "time": "a time such as 17:30:00",
    "decimal": "a decimal number such as 12.50",
    "uuid": "a UUID",
    "base64": "bytes as base64 text",
    "path": "the path of a file",
}


def _sentences(error: ValidationError) -> Iterator[tuple[str, str]]:
    path = tuple(error.absolute_path)
    schema: Any = error.schema
    wanted: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "required":
        # One error comes per missing name, and only its message tells which.
        for name in wanted:
            if name not in given:
                yield _joined((*path, name)), "This argument is required."
    elif error.validator == "additionalProperties" and wanted is False:
        known = schema.get("properties", {})
        for name in sorted(given.keys() - known.keys()):
            yield _joined((*path, name)), f"There is no argument of this name. {_known(known)}"
    else:
        yield _joined(path), _sentence(error)


def _known(known: Mapping[str, Any]) -> str:
    return f"Known are {', '.join(known)}." if known else "None are known."


def _sentence(error: ValidationError) -> str:
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            return f"This must be {_type_name(limit)}, not {type_of(error.instance)}."
        case "enum":
            return f"This must be one of {', '.join(canonical_json(choice) for choice in limit[:20])}."
        case "format":
            return f"This must be {_FORMAT_NAMES.get(str(limit), str(limit))}."
        case "minItems" | "maxItems" | "prefixItems":
            return f"This must be a list of {_item_count(error.schema)} items."
        case "anyOf":
            return f"This must be {' or '.join(name_of(member) for member in limit)}."
    return "This value does not fit."


def _type_name(names: str | list[str]) -> str:
    listed = [names] if isinstance(names, str) else names
    return " or ".join(_TYPE_NAMES[name] for name in listed)


def type_of(value: object) -> str:
    kinds: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (list, "array"), (dict, "object"),
    ]  # fmt: skip
    return next((_TYPE_NAMES[name] for kind, name in kinds if isinstance(value, kind)), _TYPE_NAMES["null"])


def _item_count(schema: Any) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems", "any number of")
    return str(low) if low == high else f"{low} to {high}"


def name_of(member: Mapping[str, Any]) -> str:
    if "format" in member:
        return _FORMAT_NAMES.get(member["format"], "text")
    if "type" in member:
        return _type_name(member["type"])
    if "enum" in member:
        return f"one of {', '.join(canonical_json(choice) for choice in member['enum'][:20])}"
    return str(member.get("$ref", "another value")).rpartition("/")[2]


def _parses(parser: Callable[[str], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, str):
            parser(value)
        return True

    return check


def _formats() -> FormatChecker:
    # jsonschema's own checks of these formats need packages that are not here, and would then silently pass.
    checker = FormatChecker(formats=())
    parsers: dict[str, Callable[[str], object]] = {
        "date": date.fromisoformat, "date-time": datetime.fromisoformat, "time": time.fromisoformat,
        "decimal": Decimal, "uuid": UUID, "base64": partial(base64.b64decode, validate=True),
    }  # fmt: skip
    for name, parser in parsers.items():
        checker.checks(name, raises=(ValueError, InvalidOperation))(_parses(parser))
    return checker


def _any_of(validator: Any, members: Any, instance: object, schema: Any) -> Iterator[ValidationError]:
    left = _alternatives_left.get() - ("$ref" in repr(members))
    _alternatives_left.set(left)
    if left < 0:
        raise ArgumentsInvalid({WHOLE: "The arguments are too deeply nested for the types of this function."})
    yield from Draft202012Validator.VALIDATORS["anyOf"](validator, members, instance, schema)


FORMATS = _formats()
_Validator: Any = validators.extend(Draft202012Validator, {"anyOf": _any_of})  # type: ignore[no-untyped-call]
_alternatives_left: ContextVar[int] = ContextVar("alternatives_left")
