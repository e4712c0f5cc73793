"""Names that a source uses and defines nowhere: the candidates for calls of other functions.

Scopes are told by Python's own symbol table, so comprehensions, class bodies, `global` and type parameters follow
the language's rules and not a copy of them.
"""

import ast
import builtins
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

# What a module has without defining it: Python's names, and `func`, which the box puts into every source.
_GIVEN = frozenset(dir(builtins)) | {"func", "__file__", "__path__", "__annotations__", "__builtins__", "__cached__"}


@dataclass(frozen=True, slots=True)
class FreeName:
    """A name that is looked up at the top level and bound neither there nor by Python."""

    name: str
    line: int
    column: int
    is_called: bool


FUNC = frozenset({
    "HostRefused", "ModelUnavailable", "NotForCode", "RunFailed", "StoreConflict", "activate_function_version",
    "add_function", "add_key", "add_trigger", "artifacts", "ask_host", "call", "call_async", "complete", "db", "display",
    "embed", "emit", "execute_function", "executor", "functions", "get_all_functions", "get_all_imports",
    "get_all_secret_keys", "get_function", "get_function_imports", "get_function_versions", "get_logs",
    "get_triggers_for_function", "inputs", "load_function_pack", "load_functions_from_file", "log", "map", "open_artifact",
    "progress", "read_input", "register_function", "registrar", "save_artifact", "source", "store", "update_function",
})  # fmt: skip
"""What `func` has in a box. Whatever else is asked of it is a function of the workspace."""


def read_free_names(source: str, tree: ast.Module) -> list[FreeName]:
    """List the names of other functions that a source uses, each at its first place, in the order of the source.

    They are its free names, and what it calls as `func.name`.
    """
    tables = list(_tables(symtable.symtable(source, "<function>", "exec")))
    defined = _defined_at_top_level(tables)
    places = _places(tree)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    found: dict[str, FreeName] = {}
    for table in tables:
        for name in _looked_up_globally(table) - defined - _GIVEN:
            line, column = _first_place(places.get(name, []), table)
            known = found.get(name)
            if known is None or line < known.line:
                found[name] = FreeName(name, line, column, name in called)
    if not any(_binds_func(table) for table in tables):
        for node in _attributes_of_func(tree):
            found.setdefault(node.attr, FreeName(node.attr, node.lineno, node.col_offset + 1, is_called=True))
    return sorted(found.values(), key=lambda free: (free.line, free.column))


def _binds_func(table: symtable.SymbolTable) -> bool:
    """Whether `func` is something of the source's own here. An import of it is not."""
    if "func" not in table.get_identifiers():
        return False
    symbol = table.lookup("func")
    return symbol.is_parameter() or symbol.is_assigned()


def _attributes_of_func(tree: ast.Module) -> Iterator[ast.Attribute]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="func"), attr=name) if name not in FUNC and not name.startswith("_"):
                yield node


def _tables(root: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    waiting = [root]
    while waiting:
        table = waiting.pop()
        yield table
        waiting.extend(table.get_children())


def _defined_at_top_level(tables: list[symtable.SymbolTable]) -> set[str]:
    top = tables[0]
    defined = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    for table in tables[1:]:
        for symbol in table.get_symbols():
            if symbol.is_declared_global() and (symbol.is_assigned() or symbol.is_imported()):
                defined.add(symbol.get_name())
    return defined


def _looked_up_globally(table: symtable.SymbolTable) -> set[str]:
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()}


def _places(tree: ast.Module) -> dict[str, list[tuple[int, int]]]:
    places: dict[str, list[tuple[int, int]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            places.setdefault(node.id, []).append((node.lineno, node.col_offset + 1))
    return places


def _first_place(places: list[tuple[int, int]], table: symtable.SymbolTable) -> tuple[int, int]:
    # A scope's uses lie at or after its first line; a decorator or a mangled private name may leave none.
    start = table.get_lineno()
    return min((place for place in places if place[0] >= start), default=(max(start, 1), 1))
