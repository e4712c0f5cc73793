"""What files say about events, read from their text, and the rules that come of it."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from selfsmith.errors import CannotBePushed
from selfsmith.models import Function

LONGEST_NAME = 100
RUN_SUCCEEDED = "run.succeeded"
# BabyAGI's readers write what happened with an underscore.
SPELLINGS = {
    f"{noun}_{verb}": f"{noun}.{verb}"
    for noun, verbs in {
        "function": ("created", "updated", "activated"),
        "run": ("succeeded", "failed", "timed_out", "cancelled", "lost", "refused", "expired"),
        "task": ("completed", "failed", "cancelled", "over_budget"),
        "package": ("approved",),
        "artifact": ("stored",),
    }.items()
    for verb in verbs
}
FIELD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class TriggerSaid:
    """One trigger of a file: when `event_type` happens to `about`, `runs` runs."""

    file: str
    line: int
    event_type: str
    runs: str
    about: str | None = None
    conditions: Mapping[str, Any] | str | None = None
    arguments: Mapping[str, str] | None = field(default=None)

    @property
    def name(self) -> str:
        """Of the rule: the same trigger finds its rule again."""
        about = f" of {self.about}" if self.about else ""
        return f"{self.runs} on {self.event_type}{about}"[:LONGEST_NAME]


def triggers_of(file: str, text: str) -> list[TriggerSaid]:
    """The triggers that a file states. A file that is no Python has none: the platform says what is wrong with it.

    Raises: CannotBePushed, for one that is not written out
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    return [TriggerSaid(file=file, **said) for node in tree.body for said in _said_in(node, file)]


def _said_in(node: ast.stmt, file: str) -> Iterator[dict[str, Any]]:
    match node:
        case ast.Expr(value=ast.Call() as call) if _name(call) == "register_trigger":
            yield _trigger(_keywords(call, file), call.lineno, file, None)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
            registered = [_keywords(each, file) for each in calls if _name(each) == "register_function"]
            name = next((said["name"] for said in registered if said.get("name")), node.name)
            for call in calls:
                if _name(call) == "register_trigger":
                    yield _trigger(_keywords(call, file), call.lineno, file, name)
            for said in registered:
                for about in said.get("triggers") or []:
                    yield {"line": node.lineno, "event_type": RUN_SUCCEEDED, "runs": name, "about": about}


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _keywords(call: ast.Call, file: str) -> dict[str, Any]:
    """Keywords whose values are written out. Those of register_function that are not are the platform's to refuse."""
    said: dict[str, Any] = {}
    for keyword in call.keywords:
        try:
            said[keyword.arg or "**"] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            if _name(call) == "register_trigger":
                place = f"{file}, line {call.lineno}: {keyword.arg or '**'} of register_trigger"
                raise CannotBePushed(f"{place} must be written out, since the file is read and not run.") from None
    return said


def _trigger(said: dict[str, Any], line: int, file: str, decorated: str | None) -> dict[str, Any]:
    runs = said.get("trigger_function") or decorated
    if not isinstance(said.get("event_type"), str) or not isinstance(runs, str):
        raise CannotBePushed(f"{file}, line {line}: register_trigger needs event_type= and trigger_function=, as names.")
    return {
        "line": line,
        "event_type": SPELLINGS.get(said["event_type"], said["event_type"]),
        "runs": runs,
        "about": said.get("target_function"),
        "conditions": said.get("conditions"),
        "arguments": said.get("arguments"),
    }


def rule_of(said: TriggerSaid, runs: Function) -> dict[str, Any]:
    """The rule that a trigger means, as the API takes it.

    Raises: CannotBePushed
    """
    return {
        "name": said.name,
        "event_type": said.event_type,
        "function": said.about,
        "target": said.runs,
        "condition": _condition(said),
        "arguments": dict(said.arguments) if said.arguments is not None else _usual_arguments(said, runs),
    }


def _condition(said: TriggerSaid) -> str:
    """Fields of the event's data with the values that they must have, as an expression that is false where one is missing."""
    if said.conditions is None or isinstance(said.conditions, str):
        return said.conditions or ""
    parts: dict[str, None] = {}
    for place, value in said.conditions.items():
        if not isinstance(place, str) or not FIELD.fullmatch(place):
            raise CannotBePushed(f"{said.file}, line {said.line}: {place!r} names no field of an event's data.")
        words = place.split(".")
        for end in range(1, len(words) + 1):
            parts[f"has(event.data.{'.'.join(words[:end])})"] = None
        parts[f"event.data.{place} == {_literal(said, value)}"] = None
    return " && ".join(parts)


def _literal(said: TriggerSaid, value: Any) -> str:
    if not isinstance(value, str | int | float | None):
        raise CannotBePushed(f"{said.file}, line {said.line}: a condition compares with text, a number, True, False or None.")
    return json.dumps(value)


def _usual_arguments(said: TriggerSaid, runs: Function) -> dict[str, str]:
    """Without a word about them: a function that needs one argument gets what happened, as with BabyAGI.

    That is the result of a run, the name of a function, else the event's data; for an argument called `event`, the event.
    """
    properties = list(runs.input_schema.get("x-order") or runs.input_schema.get("properties", {}))
    needed = [name for name in properties if name in runs.input_schema.get("required", [])] or properties[:1]
    if len(needed) > 1:
        raise CannotBePushed(
            f"{said.file}, line {said.line}: {said.runs} needs {', '.join(needed)}: say arguments= of register_trigger, an"
            " expression for each."
        )
    given = {"run": "event.data.result" if said.event_type == RUN_SUCCEEDED else "event.data", "function": "event.data.function"}
    usual = given.get(said.event_type.partition(".")[0], "event.data")
    return {name: "event" if name == "event" else usual for name in needed}
