"""Puts together everything that is told about a source: the report that leaves the child process."""

import ast
import json
import warnings
from dataclasses import asdict
from typing import Any

from apps.functions.reader.annotations import SignatureTooLarge
from apps.functions.reader.docstrings import read_docstring
from apps.functions.reader.hints import read_hints
from apps.functions.reader.imports import import_problems, read_imports
from apps.functions.reader.literals import cleaned
from apps.functions.reader.module import FunctionNode, Module, public_functions, read_module
from apps.functions.reader.names import read_free_names
from apps.functions.reader.problems import Problem, from_syntax_error
from apps.functions.reader.shape import sketch
from apps.functions.reader.signature import input_schema, output_schema

BOX_GRAMMAR = (3, 13)
"""The Python of the box image: newer syntax is refused here and not at the first run."""

MAX_SCHEMA_BYTES = 64 * 1024

type Report = dict[str, Any]


def read_source(source: str, entry: str | None) -> Report:
    """Read a source; what is wrong with it stands in `problems`, and nothing is raised for it.

    Raises:
        RecursionError, MemoryError: the source is nested or large beyond the limits of the process.
    """
    warnings.simplefilter("ignore")
    try:
        tree = ast.parse(source, feature_version=BOX_GRAMMAR)
        # Finds what the grammar allows and the language does not, such as a return outside a function.
        compile(source, "<function>", "exec", dont_inherit=True, optimize=0)
    except SyntaxError as error:
        return refusal(from_syntax_error(error))
    except ValueError as error:
        return refusal(Problem("syntax", f"The source cannot be read: {error}."))
    return _read_tree(source, tree, entry)


def refusal(problem: Problem) -> Report:
    """Give the report of a source of which nothing more can be told than what is wrong."""
    return {"problems": [asdict(problem)]}


def _read_tree(source: str, tree: ast.Module, entry: str | None) -> Report:
    module = read_module(tree)
    problems = import_problems(tree)
    report: Report = {
        "calls": [asdict(name) for name in read_free_names(source, tree)],
        "imports": [asdict(item) for item in read_imports(tree, module)],
        "hints": [asdict(hint) for hint in read_hints(tree, module)],
        "shape": sketch(tree),
    }
    chosen = _choose_entry(module, entry)
    if isinstance(chosen, Problem):
        problems.append(chosen)
    else:
        report.update(_describe(module, chosen, problems))
    return {**report, "problems": [asdict(problem) for problem in problems]}


def _choose_entry(module: Module, entry: str | None) -> FunctionNode | Problem:
    names = public_functions(module)
    if entry is None:
        return module.functions[names[-1]] if names else Problem("no_entry", "The source defines no public function.")
    if entry in module.functions:
        return module.functions[entry]
    found = f"It defines {', '.join(names)}." if names else "It defines no public function."
    return Problem("entry_missing", f"The source defines no function named “{entry}” at its top level. {found}")


def _describe(module: Module, entry: FunctionNode, problems: list[Problem]) -> Report:
    docstring = read_docstring(ast.get_docstring(entry) or "")
    described: Report = {
        "entry": entry.name,
        "is_async": isinstance(entry, ast.AsyncFunctionDef),
        "description": cleaned(docstring.description),
    }
    try:
        schemas = {
            "schema": input_schema(module, entry, docstring),
            "output_schema": output_schema(module, entry, docstring),
        }
    except SignatureTooLarge:
        schemas = {}
    if not schemas or len(json.dumps(schemas)) > MAX_SCHEMA_BYTES:
        message = f"The signature of “{entry.name}” is too large to be described. Use simpler types."
        problems.append(Problem("signature_too_large", message, entry.lineno, entry.col_offset + 1))
        return described
    return {**described, **schemas}
