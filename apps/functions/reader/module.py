"""What a module defines at its top level: functions, classes, aliases and the names that imports bind."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

type FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Module:
    """The top level of a source, by name; a later definition replaces an earlier one, as it does in Python."""

    functions: dict[str, FunctionNode] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    aliases: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)

    def dotted(self, node: ast.expr) -> str:
        """Give the full name behind `t.Optional` or `Optional`, as if imported plainly; empty for other expressions."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""


def read_module(tree: ast.Module) -> Module:
    """Collect the top level of a parsed source."""
    module = Module()
    for node in tree.body:
        _collect(module, node)
    for inner in ast.walk(tree):
        module.imported.update(_bound_by(inner))
    return module


def public_functions(module: Module) -> list[str]:
    """Give the names that may be an entry, in the order of the source."""
    in_order = sorted(module.functions.values(), key=lambda node: node.lineno)
    return [node.name for node in in_order if not node.name.startswith("_")]


def _collect(module: Module, node: ast.stmt) -> None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            module.functions[node.name] = node
        case ast.ClassDef():
            module.classes[node.name] = node
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            module.aliases[name] = value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            module.aliases[name] = value
        case ast.TypeAlias(name=ast.Name(id=name), value=value):
            module.aliases[name] = value


def _bound_by(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            yield bound, alias.name if alias.asname else bound
    elif isinstance(node, ast.ImportFrom) and not node.level:
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
