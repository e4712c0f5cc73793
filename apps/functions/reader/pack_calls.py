"""What a pack file says beside its functions: rules, secrets that it would store, other packs that it would load.

All of it stands in calls at the top level or in decorators. They are read, never run.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apps.functions.reader.literals import NotJson, json_literal
from apps.functions.reader.problems import Problem

REGISTER_TRIGGER = "register_trigger"
_LOADERS = frozenset({"load_functions", "load_function_pack", "load_functions_from_file"})
_RULE_KEYWORDS = frozenset({"event_type", "target_function", "trigger_function", "conditions", "arguments", "name"})

type FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class PackRule:
    """A rule as a pack file says it: when `event_type` is told of the function `about`, run `target`.

    `conditions` is an expression, or values that the event's data must have.
    """

    line: int
    event_type: str
    target: str
    about: str = ""
    conditions: Any = None
    arguments: dict[str, str] | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class PackNote:
    """A call that is not run, and what becomes of it, in a sentence."""

    line: int
    text: str


@dataclass(slots=True)
class Calls:
    """What was found in a file, in its order."""

    rules: list[PackRule] = field(default_factory=list)
    notes: list[PackNote] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _NotUnderstood(Exception):
    """Says why a call cannot be read."""


def read_calls(tree: ast.Module) -> Calls:
    """Rules of `register_trigger`, and notes on what BabyAGI would do when it loads the file."""
    calls = Calls()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in trigger_decorators(node):
                    _add_rule(calls, decorator, of=_registered_name(node))
            case ast.Expr(value=ast.Call() as call) | ast.Assign(value=ast.Call() as call):
                _add_call(calls, call)
    return calls


def trigger_decorators(node: FunctionNode) -> Iterator[ast.expr]:
    """The decorators of a function that say when it is run."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if name_of(called) == REGISTER_TRIGGER:
            yield decorator


def name_of(called: ast.expr) -> str:
    """The last part of what is called: `register_trigger` of `selfsmith.register_trigger`."""
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _registered_name(node: FunctionNode) -> str:
    """The name that its other decorator gives it, if that says one."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and name_of(decorator.func) == "register_function":
            for keyword in decorator.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                    return keyword.value.value.strip() or node.name
    return node.name


def _add_call(calls: Calls, call: ast.Call) -> None:
    name = name_of(call.func)
    if name == REGISTER_TRIGGER:
        _add_rule(calls, call, of="")
    elif name in ("add_key_wrapper", "add_key"):
        secret = _first_text(call) or "a secret"
        text = f"{name} is not run, and the value in the file is not kept. An admin adds {_quoted(secret)} under Secrets."
        calls.notes.append(PackNote(call.lineno, text))
    elif name in _LOADERS:
        pack = _first_text(call) or "another pack"
        text = f"{name} is not run. Install {_quoted(pack)} as a pack of its own, before this one if this one needs it."
        calls.notes.append(PackNote(call.lineno, text))


def _add_rule(calls: Calls, node: ast.expr, *, of: str) -> None:
    try:
        calls.rules.append(_rule(node, of))
    except _NotUnderstood as reason:
        calls.problems.append(Problem("pack_rule", f"{REGISTER_TRIGGER}: {reason}", node.lineno))


def _rule(node: ast.expr, of: str) -> PackRule:
    said = _said(node)
    target = _text(said, "trigger_function") or of
    event_type = _text(said, "event_type")
    if not target or not event_type:
        raise _NotUnderstood("say the event_type, and the trigger_function that it runs.")
    conditions = said.get("conditions")
    if conditions is not None and not isinstance(conditions, str | dict):
        raise _NotUnderstood("its conditions must be an expression, or a dictionary of what the event's data must have.")
    arguments = said.get("arguments")
    if arguments is not None and not (
        isinstance(arguments, dict) and all(isinstance(each, str) for pair in arguments.items() for each in pair)
    ):
        raise _NotUnderstood("its arguments must be a dictionary: an expression for each name.")
    about, name = _text(said, "target_function"), _text(said, "name")
    return PackRule(node.lineno, event_type, target, about, conditions, arguments, name)


def _said(node: ast.expr) -> dict[str, Any]:
    if not isinstance(node, ast.Call):
        raise _NotUnderstood("say at least its event_type.")
    if node.args:
        raise _NotUnderstood("it takes its values by name.")
    said: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg not in _RULE_KEYWORDS:
            raise _NotUnderstood(f"it knows no {keyword.arg or '**'}. Known are {', '.join(sorted(_RULE_KEYWORDS))}.")
        try:
            said[keyword.arg] = json_literal(keyword.value)
        except NotJson:
            raise _NotUnderstood(f"its {keyword.arg} must be written out: a pack is read, not run.") from None
    return said


def _text(said: dict[str, Any], key: str) -> str:
    value = said.get(key)
    if value is not None and not isinstance(value, str):
        raise _NotUnderstood(f"its {key} must be a text.")
    return (value or "").strip()


def _first_text(call: ast.Call) -> str:
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    first = values[0] if values else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _quoted(name: str) -> str:
    return name if name.startswith("a") and " " in name else f"“{name[:100]}”"
