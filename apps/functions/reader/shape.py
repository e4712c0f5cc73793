"""What a source looks like once names and values are taken out of it: what was copied and renamed looks like its original.

A sketch by one-permutation hashing (Li, Owen, Zhang: One Permutation Hashing, NIPS 2012): runs of neighbouring nodes of the
syntax tree are hashed, and of each of 64 parts of the hashes' range the smallest stays. The share of equal places in two
sketches estimates how much the two sources have in common.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator

PLACES = 64
EMPTY = -1
_NEIGHBOURS = 5
_FEWEST = 15
"""Runs of neighbours below which sources are too short to be called alike: every getter looks like every other."""
_MOST_WORDS = 5000


def sketch(tree: ast.Module) -> list[int]:
    """The sketch of a source, 64 numbers of which `EMPTY` says that nothing fell there; no number at all for a short one."""
    words: list[str] = []
    for word in _words(tree):
        words.append(word)
        if len(words) == _MOST_WORDS:
            break
    runs = {" ".join(words[at : at + _NEIGHBOURS]) for at in range(len(words) - _NEIGHBOURS + 1)}
    return _smallest_of_each_place(runs) if len(runs) >= _FEWEST else []


def _smallest_of_each_place(runs: Iterable[str]) -> list[int]:
    places = [EMPTY] * PLACES
    for run in runs:
        value, place = divmod(int.from_bytes(hashlib.blake2b(run.encode("utf-8", "replace"), digest_size=7).digest()), PLACES)
        places[place] = value if places[place] == EMPTY else min(places[place], value)
    return places


def _words(tree: ast.Module) -> Iterator[str]:
    """A word for each node, in the order of the source; without docstrings, imports and annotations."""
    bound = _bound_names(tree)
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom | ast.expr_context) or _is_docstring(node):
            continue
        yield _word(node, bound)
        waiting.extend(reversed([child for child in ast.iter_child_nodes(node) if not _is_annotation(node, child)]))


def _bound_names(tree: ast.Module) -> set[str]:
    """Names that the source itself chooses; all others, such as those of built-in functions, tell what it does."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
    return found


def _word(node: ast.AST, bound: set[str]) -> str:
    kind = type(node).__name__
    match node:
        case ast.Name(id=name) if name not in bound:
            return f"{kind}:{name}"
        case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            return f"{kind}:{name}"
        case ast.Constant(value=value):
            return f"{kind}:{type(value).__name__}"
    return kind


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_annotation(node: ast.AST, child: ast.AST) -> bool:
    return child in (getattr(node, "annotation", None), getattr(node, "returns", None))
