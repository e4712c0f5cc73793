"""What the sources of the next job import, imported before the job comes. Runs as the tool's user."""

import ast
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from .tool import file_name, use_environment


def import_beforehand(environments: str, order: Mapping[str, Any]) -> None:
    """Do the imports that stand at the top level of the sources, in their order, each as it is written.

    What fails here is left to the source, which fails in the same way once it is run, and says where.
    """
    with contextlib.suppress(BaseException):
        use_environment(environments, order["environment"])
        for source in order["sources"]:
            for statement in _top_level_imports(source["text"]):
                _execute(statement, source["name"])


def _top_level_imports(text: str) -> Iterator[ast.stmt]:
    return (node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom))


def _execute(statement: ast.stmt, name: str) -> None:
    with contextlib.suppress(BaseException):  # a package may do anything when it is imported, leaving included
        code = compile(ast.Module([statement], []), file_name(name), "exec", dont_inherit=True)
        exec(code, {"__name__": name})
