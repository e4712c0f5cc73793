"""What a source looks likely to do outside its own memory. For display only: the box is what holds it back.

But for one: a source that names `func.complete` or `func.embed` asks for language models, and one that does not gets none.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from apps.functions.reader.module import Module

_BY_MODULE = {
    "files": ("pathlib", "shutil", "tempfile", "glob", "fileinput", "sqlite3", "dbm", "shelve", "zipfile", "tarfile"),
    "subprocess": ("subprocess", "multiprocessing", "pty", "os.system", "os.popen", "os.exec", "os.spawn", "os.fork"),
    "network": (
        "socket", "ssl", "urllib.request", "http.client", "http.server", "ftplib", "smtplib", "imaplib", "poplib",
        "socketserver", "xmlrpc", "requests", "httpx", "aiohttp", "urllib3", "websockets", "websocket", "paramiko",
        "asyncio.open_connection", "asyncio.start_server",
    ),
    "threads": ("threading", "_thread", "concurrent.futures", "multiprocessing"),
    "dynamic code": ("eval", "exec", "compile", "__import__", "importlib", "ctypes", "runpy", "marshal", "pickle"),
}  # fmt: skip
MODELS = "language models"
_MODEL_CALLS = frozenset({"func.complete", "func.embed"})
_FILE_CALLS = ("open", "io.open", "os.open", "os.remove", "os.rename", "os.mkdir", "os.makedirs", "os.listdir", "os.walk")


@dataclass(frozen=True, slots=True)
class Hint:
    """A capability the source seems to use, what gave that away, and the line."""

    capability: str
    evidence: str
    line: int


def read_hints(tree: ast.Module, module: Module) -> list[Hint]:
    """List each capability and what shows it once, in the order of the source."""
    found: dict[tuple[str, str], Hint] = {}
    for line, name in sorted(_mentions(tree, module)):
        for capability in _capabilities(name):
            found.setdefault((capability, name), Hint(capability, name, line))
    return list(found.values())


def _mentions(tree: ast.Module, module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call):
            yield node.lineno, module.dotted(node.func)
        elif isinstance(node, ast.Attribute) and (name := module.dotted(node)) in _MODEL_CALLS:
            yield node.lineno, name  # also where it is not called at once


def _capabilities(name: str) -> Iterator[str]:
    for capability, prefixes in _BY_MODULE.items():
        if any(_matches(name, prefix) for prefix in prefixes):
            yield capability
    if name in _FILE_CALLS:
        yield "files"
    if name in _MODEL_CALLS:
        yield MODELS


def _matches(name: str, prefix: str) -> bool:
    spawning = prefix in ("os.exec", "os.spawn") and name.startswith(prefix)
    return spawning or name == prefix or name.startswith(f"{prefix}.")
