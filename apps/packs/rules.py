"""Rules that packs bring: read from decorators or from the manifest, and made as rules of the workspace."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.core.errors import Invalid
from apps.functions.models import Function
from apps.functions.pack_files import FoundRule
from apps.functions.reader.pack_calls import PackRule
from apps.triggers.models import Rule
from apps.triggers.services import RuleDraft
from apps.triggers.types import PLATFORM

FIELDS = (
    "name",
    "event_type",
    "target",
    "function",
    "condition",
    "arguments",
    "error_handler",
    "most_per_minute",
    "most_running",
)
_USUAL: Mapping[str, Any] = {
    "function": "", "condition": "", "arguments": {}, "error_handler": "", "most_per_minute": 60, "most_running": 10,
    "is_active": True,
}  # fmt: skip


class RuleUnclear(Invalid):
    """A rule of a pack cannot be understood."""

    code = "pack_rule_unclear"


def described(found: FoundRule, pack: str) -> dict[str, Any]:
    """A rule of a decorator in the words of a rule; its target must be there by now.

    Raises:
        RuleUnclear
    """
    rule = found.rule
    event_type = _event_type(rule.event_type)
    schema = _schema_of(rule.target)
    arguments = rule.arguments if rule.arguments is not None else _arguments(event_type, schema)
    name = rule.name or f"{pack}: {rule.target} after {event_type}{f' of {rule.about}' if rule.about else ''}"
    return completed(
        {
            "name": name[:100],
            "event_type": event_type,
            "target": rule.target,
            "function": rule.about,
            "condition": _condition(rule.conditions),
            "arguments": arguments,
        }
    )


def completed(table: Mapping[str, Any]) -> dict[str, Any]:
    """A rule with all that it says, whether it was said or is as usual."""
    return {**_USUAL, **table}


def draft_of(said: Mapping[str, Any]) -> RuleDraft:
    """A rule that can be stored; its functions are those of the library.

    Raises:
        RuleUnclear
    """
    functions = {key: _function(said[key]) for key in ("target", "function", "error_handler") if said[key]}
    rest = {key: said[key] for key in FIELDS if key not in ("target", "function", "error_handler")}
    return RuleDraft(**functions, **rest)  # type: ignore[arg-type]  # a target is checked to be said


def words_of(rule: Rule) -> dict[str, Any]:
    """A rule of the workspace as a manifest says it."""
    functions = {
        "target": rule.target.name,
        "function": rule.function.name if rule.function else "",
        "error_handler": rule.error_handler.name if rule.error_handler else "",
    }
    said = {**{key: getattr(rule, key) for key in (*FIELDS, "is_active")}, **functions}
    return {key: value for key, value in said.items() if key not in _USUAL or value != _USUAL[key]}


def rules_among(names: Iterable[str]) -> list[Rule]:
    """The rules all of whose functions are among these, by name."""
    wanted = set(names)
    rows = Rule.objects.for_list().filter(target__name__in=wanted).order_by("name")
    return [row for row in rows if {each.name for each in (row.function, row.error_handler) if each} <= wanted]


def _event_type(said: str) -> str:
    """`function_updated` is how BabyAGI's texts write `function.updated`."""
    dotted = said.replace("_", ".", 1)
    return dotted if "." not in said and dotted in PLATFORM else said


def _condition(said: str | dict[str, Any] | None) -> str:
    if not said:
        return ""
    if isinstance(said, str):
        return said
    if bad := [key for key in said if not key.isidentifier()]:
        raise RuleUnclear(f"“{bad[0][:60]}” cannot be a key of a condition: use letters, digits and “_”.")
    return " && ".join(f"has(event.data.{key}) && event.data.{key} == {json.dumps(value)}" for key, value in said.items())


def _arguments(event_type: str, schema: Mapping[str, Any]) -> dict[str, str]:
    """What fits by name. The first other argument gets what BabyAGI hands on: the result of what ran, else what it is about."""
    told = [each.strip() for each in PLATFORM[event_type].data.split(",")] if event_type in PLATFORM else []
    names = list(schema.get("x-order") or schema.get("properties", {}))
    arguments = {name: "event" if name == "event" else f"event.data.{name}" for name in names if name in told or name == "event"}
    handed_on = next((each for each in ("result", "function") if each in told), "")
    first = next((name for name in names if name not in arguments), "")
    if first and handed_on and handed_on not in arguments and (first in schema.get("required", []) or not arguments):
        arguments[first] = f"event.data.{handed_on}"
    return arguments


def _schema_of(name: str) -> dict[str, Any]:
    version = _function(name).active_version
    return version.input_schema if version else {}


def _function(name: str) -> Function:
    found = Function.objects.library().select_related("active_version").filter(name=name).first()
    if found is None:
        raise RuleUnclear(f"A rule names the function “{name[:100]}”, which is not there.")
    return found


__all__ = ["FIELDS", "FoundRule", "PackRule", "RuleUnclear", "completed", "described", "draft_of", "rules_among", "words_of"]
