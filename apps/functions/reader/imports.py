"""Which modules a source imports, where, and whether it can do without them."""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apps.functions.reader.module import Module
from apps.functions.reader.problems import Problem

PLATFORM_MODULES = frozenset({"func"})
_TOLERANT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@dataclass(frozen=True, slots=True)
class Import:
    """A top-level module that the source imports; `origin` is standard, platform or third_party.

    `is_optional` says that the source catches its absence, or needs it for type checkers only.
    """

    module: str
    line: int
    origin: str
    is_optional: bool


def read_imports(tree: ast.Module, module: Module) -> list[Import]:
    """List each imported top-level module once, at its first place; needed anywhere means needed."""
    tolerated = {id(node) for node in _tolerated(tree, module)}
    found: dict[str, Import] = {}
    for node in sorted(_import_nodes(tree), key=lambda node: node.lineno):
        for name in _top_level(node):
            optional = id(node) in tolerated
            known = found.get(name)
            if known is None or (known.is_optional and not optional):
                found[name] = Import(name, node.lineno, _origin(name), optional)
    return list(found.values())


def import_problems(tree: ast.Module) -> list[Problem]:
    """Find the imports that cannot work here or would hide which names the source uses."""
    problems = []
    for node in _import_nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            message = "A relative import cannot work: a function is a module of its own. Call other functions by name."
            problems.append(Problem("relative_import", message, node.lineno, node.col_offset + 1))
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            message = f"“from {node.module} import *” hides which names are used. Import them by name."
            problems.append(Problem("star_import", message, node.lineno, node.col_offset + 1))
    return problems


def _import_nodes(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def _top_level(node: ast.Import | ast.ImportFrom) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [node.module.partition(".")[0]] if node.module and not node.level else []


def _origin(name: str) -> str:
    if name in PLATFORM_MODULES:
        return "platform"
    return "standard" if name in sys.stdlib_module_names else "third_party"


def _tolerated(tree: ast.Module, module: Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try | ast.If) and _may_be_absent(node, module):
            yield from (inner for statement in node.body for inner in _import_nodes(statement))


def _may_be_absent(node: ast.Try | ast.If, module: Module) -> bool:
    if isinstance(node, ast.If):
        return module.dotted(node.test) == "typing.TYPE_CHECKING"
    return any(_catches_absence(handler) for handler in node.handlers)


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(name, ast.Name) and name.id in _TOLERANT for name in caught)
