"""Checks the result of a run against the schema that the function's return annotation gave.

Not by the validator of arguments: results are larger and hostile, and that one writes a message, with the whole value in
it, for every alternative that does not fit. Here the first misfit ends the check, and the steps are bounded.

What correct Python may return always fits. So true and false are whole numbers, null is a number (as which NaN comes), a
date may have a time, and an object may have more than its class, which a subclass has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.functions.arguments import FORMATS, name_of, type_of

MOST_STEPS = 100_000
"""Values looked at in one result, counted once more for each alternative: at most half a second. What follows is believed."""

_SHOWN = 60  # characters of a text that does not fit


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where a result is not what its function says, such as `rows.0.price`; empty for the result as a whole."""

    path: str
    expected: str
    found: str

    @property
    def message(self) -> str:
        """A sentence for the function's author."""
        place = f"at {self.path} " if self.path else ""
        return (
            f"The result is not what the function says that it returns: {place}it should be {self.expected}, and is "
            f"{self.found}. The result is kept. Correct the code or the annotation."
        )


class _Enough(Exception):
    """As much was looked at as may be."""


def find_misfit(schema: Mapping[str, Any], result: object) -> Misfit | None:
    """The first place where a result does not fit, or None. A function without a return annotation may return anything.

    Args:
        result: plain JSON, at most `arguments.MAX_DEPTH` deep, as the sandbox gives it.
    """
    try:
        return _Check(schema).misfit(schema, result, ())
    except _Enough:
        return None


class _Check:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._definitions: Mapping[str, Any] = root.get("$defs", {})
        self._left = MOST_STEPS

    def misfit(self, schema: Mapping[str, Any], value: Any, path: tuple[str | int, ...]) -> Misfit | None:
        self._left -= 1
        if self._left < 0:
            raise _Enough
        if reference := schema.get("$ref"):
            return self.misfit(self._definitions.get(reference.rpartition("/")[2], {}), value, path)
        if members := schema.get("anyOf"):
            return self._one_of(members, value, path)
        if "enum" in schema:
            return None if value in schema["enum"] else _misfit(schema, value, path)
        if not _is_of(schema.get("type"), value) or (isinstance(value, str) and not _has_format(schema.get("format"), value)):
            return _misfit(schema, value, path)
        return next((found for found in self._inside(schema, value, path) if found), None)

    def _one_of(self, members: list[Mapping[str, Any]], value: Any, path: tuple[str | int, ...]) -> Misfit | None:
        """With one alternative of the right type, that one's misfit says more than that none fits."""
        found = [(member, self.misfit(member, value, path)) for member in members]
        if any(misfit is None for _, misfit in found):
            return None
        deeper = [misfit for _, misfit in found if misfit and misfit.path != _joined(path)]
        return deeper[0] if len(deeper) == 1 else _misfit({"anyOf": members}, value, path)

    def _inside(self, schema: Mapping[str, Any], value: Any, path: tuple[str | int, ...]) -> Iterator[Misfit | None]:
        if isinstance(value, list):
            yield from self._items(schema, value, path)
        elif isinstance(value, dict):
            yield from self._properties(schema, value, path)

    def _items(self, schema: Mapping[str, Any], value: list[Any], path: tuple[str | int, ...]) -> Iterator[Misfit | None]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
        if not least <= len(value) <= most:
            items = f"{least} to {most}" if least != most else str(most)
            yield Misfit(_joined(path), f"a list of {items} items", f"one of {len(value)}")
        for number, (member, item) in enumerate(zip(schema.get("prefixItems", ()), value, strict=False)):
            yield self.misfit(member, item, (*path, number))
        if of_all := schema.get("items"):
            for number, item in enumerate(value):
                yield self.misfit(of_all, item, (*path, number))

    def _properties(
        self, schema: Mapping[str, Any], value: dict[str, Any], path: tuple[str | int, ...]
    ) -> Iterator[Misfit | None]:
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield Misfit(_joined((*path, name)), name_of(known.get(name, {})), "missing")
        for name, member in known.items():
            if name in value:
                yield self.misfit(member, value[name], (*path, name))
        if isinstance(others := schema.get("additionalProperties"), dict) and others:
            for name, item in value.items():
                if name not in known:
                    yield self.misfit(others, item, (*path, name[:_SHOWN]))


def _is_of(kind: str | None, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        case "number":
            return value is None or isinstance(value, int | float)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case "null":
            return value is None
    return True


def _has_format(name: str | None, value: str) -> bool:
    if name is None:
        return True
    if name == "date":  # datetime is a date in Python
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True
    return FORMATS.conforms(value, name)


def _misfit(schema: Mapping[str, Any], value: Any, path: tuple[str | int, ...]) -> Misfit:
    shown = f" “{value[:_SHOWN]}{'…' if len(value) > _SHOWN else ''}”" if isinstance(value, str) else ""
    members = schema.get("anyOf", [schema])
    return Misfit(_joined(path), " or ".join(map(name_of, members)), f"{type_of(value)}{shown}")


def _joined(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)
