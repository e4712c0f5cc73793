"""What the sources of the next job import, imported before the job comes. Runs as the tool's user."""

import ast
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from .tool import file_name, use_environment


def import_beforehand(environments: str, order: Mapping[str, Any]) -> None:
    """Do the imports that stand at the top level of the sources, in their order, each as it is written; of each source only
    those before the first statement that may be there to change what they find.

    What fails here is left to the source, which fails in the same way once it is run, and says where.
    """
    with contextlib.suppress(BaseException):
        use_environment(environments, order["environment"])
        for source in order["sources"]:
            for statement in _top_level_imports(source["text"]):
                _execute(statement, source["name"])


def _top_level_imports(text: str) -> Iterator[ast.stmt]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif _reaches_out(node):
            return


def _reaches_out(node: ast.stmt) -> bool:
    """Whether it calls something for its effect, or sets what is not a name of its own: `os.environ["X"] = "1"`."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [getattr(node, "target", None)]
    return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)


def _execute(statement: ast.stmt, name: str) -> None:
    with contextlib.suppress(BaseException):  # a package may do anything when it is imported, leaving included
        code = compile(ast.Module([statement], []), file_name(name), "exec", dont_inherit=True)
        exec(code, {"__name__": name})
