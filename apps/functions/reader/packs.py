"""Packs: files of plain Python in which a decorator marks the functions. Read from the syntax tree, never run.

Each function becomes a source of its own: with the imports, constants, classes and helpers of the file that it uses, and
with what its decorator says that it needs.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from apps.functions.reader.literals import NotJson, json_literal
from apps.functions.reader.names import read_free_names
from apps.functions.reader.pack_calls import Calls, FunctionNode, PackRule, name_of, read_calls, trigger_decorators
from apps.functions.reader.problems import Problem, from_syntax_error

DECORATOR = "register_function"
# What a pack may call the library that it was written for. In a box it is `func`.
LIBRARIES = frozenset({"babyagi", "functionz", "selfsmith", "PythonFunc"})
MAX_FUNCTIONS = 500
PACK = "--pack"
"""Says to the child process that a whole pack is to be read; no function can have this name."""

_KEYWORDS = frozenset({"metadata", "imports", "dependencies", "key_dependencies", "secrets", "triggers", "name"})
# BabyAGI gives every function this name without an import.
_GIVEN_IMPORTS = {"datetime": "from datetime import datetime"}


@dataclass(frozen=True, slots=True)
class PackImport:
    """A module that a decorator names, and the distribution that brings it where the pack says so."""

    module: str
    distribution: str = ""


@dataclass(frozen=True, slots=True)
class PackFunction:
    """One function of a pack as a source of its own. `line` is its place in the file, `source_line` the same in its source;
    `dependencies` and `triggers` are as declared; `secrets` are declared or read by name.
    """

    name: str
    line: int
    source: str
    source_line: int = 1
    description: str = ""
    tags: list[str] = field(default_factory=list)
    imports: list[PackImport] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)


class _NotUnderstood(Exception):
    """Says why a decorator cannot be read."""


def read_pack(text: str) -> dict[str, Any]:
    """The functions of a pack file, its rules, what it would do besides and what is wrong in it, as JSON values with lines."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return {"functions": [], "problems": [asdict(from_syntax_error(error))]}
    except ValueError as error:
        return {"functions": [], "problems": [asdict(Problem("syntax", f"The file cannot be read: {error}."))]}
    calls = read_calls(tree)
    found, problems = _read_functions(text, tree, calls)
    return {
        "functions": [asdict(each) for each in found],
        "problems": [asdict(each) for each in [*problems, *calls.problems]],
        "rules": [asdict(each) for each in [*_rules_of(found), *calls.rules]],
        "notes": [asdict(each) for each in calls.notes],
    }


def _rules_of(functions: Iterable[PackFunction]) -> Iterator[PackRule]:
    """`triggers` of a function: those after whose success it runs."""
    for function in functions:
        for about in function.triggers:
            yield PackRule(function.line, "run.succeeded", function.name, about)


def _read_functions(text: str, tree: ast.Module, calls: Calls) -> tuple[list[PackFunction], list[Problem]]:
    rest = _Rest(text, tree)
    found: dict[str, PackFunction] = {}
    problems: list[Problem] = []
    for node, decorator in _registered(tree):
        try:
            function = _function(rest, node, decorator)
        except _NotUnderstood as reason:
            problems.append(Problem("pack_function", f"“{node.name}”: {reason}", node.lineno))
            continue
        if function.name in found:
            twice = f"“{function.name}” is there twice: first at line {found[function.name].line}. Only one can have the name."
            problems.append(Problem("duplicate", twice, node.lineno))
        else:
            found[function.name] = function
    if len(found) > MAX_FUNCTIONS:
        return [], [Problem("too_many", f"A pack may have {MAX_FUNCTIONS} functions; this file has {len(found)}.")]
    if not found and not problems and not calls.rules and not calls.problems:
        problems.append(Problem("no_function", f"Nothing here is marked with {DECORATOR}."))
    return list(found.values()), problems


def _registered(tree: ast.Module) -> Iterator[tuple[FunctionNode, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (decorator := _decorator_of(node)) is not None:
            yield node, decorator


def _decorator_of(node: FunctionNode) -> ast.expr | None:
    for decorator in node.decorator_list:
        if name_of(decorator.func if isinstance(decorator, ast.Call) else decorator) == DECORATOR:
            return decorator
    return None


def _function(rest: "_Rest", node: FunctionNode, decorator: ast.expr) -> PackFunction:
    said = _said(decorator)
    metadata = said.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise _NotUnderstood("its metadata must be a dictionary.")
    name = _text(said.get("name"), "name") or node.name
    imports = list(_imports(said.get("imports")))
    secrets = {*_names(said, "key_dependencies"), *_names(said, "secrets"), *_keys_read(node)}
    source = rest.source_of(node, decorator, name=name, imports=imports, secrets=secrets)
    return PackFunction(
        name=name,
        line=node.lineno,
        source=source,
        source_line=_line_of(source, name),
        description=_text(metadata.get("description"), "description"),
        tags=_strings(metadata.get("tags"), "tags"),
        imports=imports,
        dependencies=_names(said, "dependencies"),
        secrets=sorted(secrets),
        triggers=_names(said, "triggers"),
    )


def _said(decorator: ast.expr) -> dict[str, Any]:
    if not isinstance(decorator, ast.Call):
        return {}
    if decorator.args:
        raise _NotUnderstood(f"{DECORATOR} takes its values by name.")
    said: dict[str, Any] = {}
    for keyword in decorator.keywords:
        if keyword.arg not in _KEYWORDS:
            raise _NotUnderstood(f"{DECORATOR} knows no {keyword.arg or '**'}. Known are {', '.join(sorted(_KEYWORDS))}.")
        try:
            said[keyword.arg] = json_literal(keyword.value)
        except NotJson:
            raise _NotUnderstood(f"its {keyword.arg} must be written out: a pack is read, not run.") from None
    return said


def _names(said: Mapping[str, Any], key: str) -> list[str]:
    return _strings(said.get(key), key)


def _strings(value: Any, key: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _NotUnderstood(f"its {key} must be a list of names.")
    return list(dict.fromkeys(value))


def _text(value: Any, key: str) -> str:
    if value is not None and not isinstance(value, str):
        raise _NotUnderstood(f"its {key} must be a text.")
    return (value or "").strip()


def _imports(value: Any) -> Iterator[PackImport]:
    """A list of names, of `{"name": …, "lib": …}`, or one of either."""
    for each in value if isinstance(value, list) else [] if value is None else [value]:
        if isinstance(each, str):
            yield PackImport(each)
        elif isinstance(each, dict) and isinstance(each.get("name"), str):
            yield PackImport(each["name"], _text(each.get("lib"), "lib"))
        else:
            raise _NotUnderstood('its imports must be names, or {"name": module, "lib": distribution}.')


def _keys_read(node: FunctionNode) -> set[str]:
    """What the function reads from `globals()`, where BabyAGI puts the secrets."""
    keys = set()
    for inner in ast.walk(node):
        match inner:
            case (
                ast.Subscript(value=ast.Call(func=ast.Name(id="globals")), slice=ast.Constant(value=str() as key))
                | ast.Call(
                    func=ast.Attribute(value=ast.Call(func=ast.Name(id="globals")), attr="get"),
                    args=[ast.Constant(value=str() as key), *_],
                )
            ):
                keys.add(key)
    return keys


class _Rest:
    """What stands beside the functions of a file, by the names that it binds."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self._lines = text.splitlines(keepends=True)
        self._registered = {id(node) for node, _ in _registered(tree)}
        self._statements = [node for node in tree.body if id(node) not in self._registered]
        # `import urllib.parse` and `import urllib.request` bind one name, and a function may need what both bring.
        self._by_name = defaultdict[str, list[ast.stmt]](list)
        for node in self._statements:
            for name in _bound_by(node):
                self._by_name[name].append(node)

    def source_of(
        self, node: FunctionNode, decorator: ast.expr, *, name: str, imports: Iterable[PackImport], secrets: Iterable[str]
    ) -> str:
        """The function with all that it uses of the file, and lines for what its decorator promises."""
        needed = self._needed(node)
        others = [self._text_of(other) for other in self._statements if id(other) in needed]
        read = {decorator, *trigger_decorators(node)}
        kept = [self._text_of(each, "@") for each in node.decorator_list if each not in read]
        parts = [*others, "".join([*kept, self._text_of(node)])]
        if name != node.name:
            parts[-1] = _renamed(parts[-1], node.name, name)
        body = "\n\n".join(part.rstrip("\n") + "\n" for part in parts)
        head = _head(body, imports, secrets)
        return f"{head}\n\n\n{body}" if head else body

    def _needed(self, node: ast.AST) -> set[int]:
        needed: set[int] = set()
        waiting = [node]
        while waiting:
            used = {inner.id for inner in ast.walk(waiting.pop()) if isinstance(inner, ast.Name)}
            for other in (statement for each in used & self._by_name.keys() for statement in self._by_name[each]):
                if id(other) not in needed:
                    needed.add(id(other))
                    waiting.append(other)
        return needed

    def _text_of(self, node: ast.stmt | ast.expr, prefix: str = "") -> str:
        first = min(
            [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()) if id(node) not in self._registered)]
        )
        assert node.end_lineno is not None
        lines = self._lines[first - 1 : node.end_lineno]
        return "".join(lines) if not prefix else f"{prefix}{''.join(lines)[node.col_offset :]}"


def _bound_by(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top level binds; none for the library itself, which `func` stands for."""
    match node:
        case ast.Import(names=aliases):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases if _root(alias.name) not in LIBRARIES)
        case ast.ImportFrom(module=module, names=aliases, level=0) if _root(module or "") not in LIBRARIES:
            yield from (alias.asname or alias.name for alias in aliases)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.TypeAlias(name=ast.Name(id=name)):
            yield name


def _root(module: str) -> str:
    return module.partition(".")[0]


def _renamed(text: str, before: str, after: str) -> str:
    """The function under the name that it is registered by; under its own it still finds itself."""
    head, _, tail = text.partition(f"def {before}")
    return f"{head}def {after}{tail.rstrip()}\n\n\n{before} = {after}\n"


def _line_of(source: str, name: str) -> int:
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return next((node.lineno for node in functions if node.name == name), 1)


def _head(body: str, imports: Iterable[PackImport], secrets: Iterable[str]) -> str:
    """Lines that bind what the decorator promises and the function uses: modules, the library, secrets."""
    free = {name.name for name in read_free_names(body, ast.parse(body))}
    lines = [f"import {each.module}" for each in imports if _root(each.module) in free]
    bound = {_root(each.module) for each in imports}
    lines += [f"import func as {library}" for library in sorted(LIBRARIES & free)]
    lines += [line for name, line in _GIVEN_IMPORTS.items() if name in free - bound]
    keys = [key for key in sorted(secrets) if key.isidentifier()]
    if keys:
        lines += ["import os as _os", "", *(f'{key} = _os.environ.get("{key}")' for key in keys)]
    return "\n".join(dict.fromkeys(lines))
