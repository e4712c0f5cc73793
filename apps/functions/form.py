"""The run form: fields made from a function's input schema, and the way back from what a browser sent.

Knows no HTML; a page draws the fields by their kind.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from apps.core.canonical import canonical_json
from apps.functions.arguments import ArgumentsInvalid

MAX_FIELD_CHARACTERS = 1_000_000
_LONG_TEXTS = frozenset({"text", "body", "content", "html", "markdown", "csv", "xml", "json", "source", "prompt", "message"})
_MISSING: Any = object()


class Kind(StrEnum):
    """How a field is drawn."""

    TEXT = "text"
    MULTILINE = "multiline"
    NUMBER = "number"
    INTEGER = "integer"
    CHECKBOX = "checkbox"
    SELECT = "select"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a select: `value` is the JSON text that the form sends."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """One argument in the run form.

    `text` is what the input shows: the default at first, then what the person typed. A `loose` field takes JSON and,
    where it is none, the text as it is, because the parameter has no type that could tell.
    """

    name: str
    kind: Kind
    label: str
    help: str
    required: bool
    default: Any = None
    has_default: bool = False
    nullable: bool = False
    loose: bool = False
    spreads: bool = False
    choices: tuple[Choice, ...] = ()
    text: str = ""
    error: str = ""

    @property
    def html_name(self) -> str:
        """The name in the form, apart from the page's own fields such as the CSRF token."""
        return f"argument-{self.name}"

    @property
    def is_checked(self) -> bool:
        return self.text == "true"


def form_fields(schema: Mapping[str, Any]) -> list[Field]:
    """Make the fields of a run form, in the order of the signature."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    order = schema.get("x-order", list(properties))
    fields = [_field(schema, name, properties[name]) for name in order]
    if name := schema.get("x-variadic-keywords"):
        help_text = "Further arguments by name, as a JSON object."
        fields.append(Field(name, Kind.JSON, _label(name), help_text, required=False, spreads=True))
    return fields


def parse_form(fields: Sequence[Field], data: Mapping[str, str]) -> dict[str, Any]:
    """Turn what a browser sent into arguments; the schema is checked afterwards, by `validate_arguments`.

    Raises:
        ArgumentsInvalid: with one sentence per field that cannot be read.
    """
    arguments: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in fields:
        try:
            value = _value(field, data.get(field.html_name))
        except ValueError as error:
            errors[field.name] = str(error)
            continue
        if field.spreads and value is not _MISSING:
            arguments = {**value, **arguments}
        elif value is not _MISSING:
            arguments[field.name] = value
    if errors:
        raise ArgumentsInvalid(errors)
    return arguments


def refill(fields: Sequence[Field], data: Mapping[str, str], errors: Mapping[str, str]) -> list[Field]:
    """Give the fields back as the person left them, each with its complaint (also those about parts of it)."""
    filled = []
    for field in fields:
        text = data.get(field.html_name, "")
        if field.kind is Kind.CHECKBOX:
            text = "true" if field.html_name in data else "false"
        own = [error for path, error in errors.items() if path.partition(".")[0] == field.name]
        filled.append(replace(field, text=text, error=own[0] if own else ""))
    return filled


def prefill(fields: Sequence[Field], arguments: Mapping[str, Any]) -> list[Field]:
    """Give the fields the values of a set of arguments; the schema may have changed since, so some may not fit any more."""
    named = {field.name for field in fields if not field.spreads}
    rest = {name: value for name, value in arguments.items() if name not in named}
    filled = []
    for field in fields:
        if field.spreads:
            filled.append(replace(field, text=canonical_json(rest) if rest else ""))
        elif field.name in arguments:
            filled.append(replace(field, text=_value_as_text(field, arguments[field.name])))
        else:
            filled.append(field)
    return filled


def without_field(fields: Sequence[Field], arguments: Mapping[str, Any]) -> list[str]:
    """The arguments for which there is no field."""
    if any(field.spreads for field in fields):
        return []
    return sorted(arguments.keys() - {field.name for field in fields})


def _value_as_text(field: Field, value: Any) -> str:
    """A value that is no text stands as JSON in a field for texts too: what is wrong with it is told when it is sent."""
    is_text_field = field.kind in (Kind.TEXT, Kind.MULTILINE)
    if field.loose and isinstance(value, str):
        return canonical_json(value)
    if is_text_field and not (value is None or isinstance(value, str)):
        return canonical_json(value)
    return _as_text(field.kind, value)


def _field(schema: Mapping[str, Any], name: str, declared: Mapping[str, Any]) -> Field:
    core, nullable = _without_null(_resolved(schema, declared))
    has_default = "default" in declared
    default = declared.get("default")
    kind = Kind.SELECT if nullable and core.get("type") == "boolean" else _kind(name, core, default)
    return Field(
        name=name,
        kind=kind,
        label=_label(name),
        help=declared.get("description") or _format_help(core),
        required=name in schema.get("required", ()),
        default=default,
        has_default=has_default,
        nullable=nullable,
        loose=kind is Kind.JSON and not core.keys() & {"type", "anyOf", "$ref"},
        choices=_choices(core, nullable=nullable),
        text=_as_text(kind, default) if has_default else "",
    )


def _resolved(schema: Mapping[str, Any], declared: Mapping[str, Any]) -> Mapping[str, Any]:
    target: str = declared.get("$ref", "")
    if not target:
        return declared
    definition: Mapping[str, Any] = schema.get("$defs", {}).get(target.removeprefix("#/$defs/"), {})
    return definition


def _without_null(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    members = schema.get("anyOf", [])
    rest = [member for member in members if member != {"type": "null"}]
    if len(rest) == 1:
        return rest[0], True
    return schema, len(rest) < len(members)


def _kind(name: str, core: Mapping[str, Any], default: Any) -> Kind:
    if "enum" in core:
        return Kind.SELECT
    match core.get("type"):
        case "boolean":
            return Kind.CHECKBOX
        case "integer":
            return Kind.INTEGER
        case "number":
            return Kind.NUMBER
        case "string":
            is_long = name.lower() in _LONG_TEXTS or (isinstance(default, str) and "\n" in default)
            return Kind.MULTILINE if is_long else Kind.TEXT
    return Kind.JSON


def _choices(core: Mapping[str, Any], *, nullable: bool) -> tuple[Choice, ...]:
    values = core.get("enum", [True, False] if nullable and core.get("type") == "boolean" else [])
    if values and nullable and None not in values:
        values = [*values, None]
    return tuple(Choice(canonical_json(value), "none" if value is None else str(value)) for value in values)


def _label(name: str) -> str:
    return name.strip("_").replace("_", " ").capitalize() or name


def _format_help(core: Mapping[str, Any]) -> str:
    examples = {"date": "Such as 2026-02-28.", "date-time": "Such as 2026-02-28T17:30:00.", "time": "Such as 17:30:00.",
                "decimal": "Such as 12.50.", "base64": "Bytes as base64 text."}  # fmt: skip
    if core.get("type") in ("array", "object"):
        return "A JSON list." if core["type"] == "array" else "A JSON object."
    return examples.get(core.get("format", ""), "")


def _as_text(kind: Kind, value: Any) -> str:
    if kind in (Kind.TEXT, Kind.MULTILINE):
        return "" if value is None else str(value)
    return "" if value is None and kind is not Kind.SELECT else canonical_json(value)


def _value(field: Field, sent: str | None) -> Any:
    if field.kind is Kind.CHECKBOX:
        return sent is not None and sent != "false"
    if sent is None or not sent.strip():
        return _blank(field, sent)
    if len(sent) > MAX_FIELD_CHARACTERS:
        raise ValueError("This text is too long for a form. Send it as a file.")
    match field.kind:
        case Kind.TEXT | Kind.MULTILINE:
            return sent.replace("\r\n", "\n")
        case Kind.INTEGER:
            return _integer(sent)
        case Kind.NUMBER:
            return _number(sent)
        case Kind.SELECT:
            return _choice(field, sent)
    return _json(field, sent)


def _blank(field: Field, sent: str | None) -> Any:
    if field.required:
        if field.nullable:
            return None
        raise ValueError("This argument is required.")
    is_text = field.kind in (Kind.TEXT, Kind.MULTILINE)
    # Somebody emptied a text that had a default: empty is then what they mean.
    return "" if sent is not None and is_text and not field.nullable and field.has_default else _MISSING


def _integer(sent: str) -> int:
    try:
        return int(sent.strip())
    except ValueError:
        raise ValueError("This must be a whole number.") from None


def _number(sent: str) -> int | float:
    try:
        number = float(sent.strip())
    except ValueError:
        raise ValueError("This must be a number.") from None
    if number - number != 0:
        raise ValueError("This must be a finite number.")
    return number


def _choice(field: Field, sent: str) -> Any:
    if sent not in {choice.value for choice in field.choices}:
        raise ValueError("This is not one of the choices.")
    return json.loads(sent)


def _json(field: Field, sent: str) -> Any:
    try:
        value = json.loads(sent)
    except (ValueError, RecursionError):
        if field.loose:
            return sent.replace("\r\n", "\n")
        raise ValueError('This must be JSON, such as [1, 2] or {"a": 1}.') from None
    if field.spreads and not isinstance(value, dict):
        raise ValueError("This must be a JSON object: names with their values.")
    return value
