"""Loads a job's sources and calls the entry. Runs as the tool's user; everything from here on is the tool's own word."""

import asyncio
import importlib
import inspect
import linecache
import sys
import time
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .artifact_writer import ArtifactBudget
from .calls import Calls
from .decoding import bind
from .func_module import make_module
from .line import Line
from .progress import Progress
from .spans import SpanRecorder
from .streaming import Stream

# Sources get module names that no import statement hits by chance: a tool called json must not hide the library.
MODULE_PREFIX = "selfsmith_sources."


class EntryMissing(Exception):
    """The source does not define the function that it is named for."""


class EnvironmentMissing(Exception):
    """The job's packages are not mounted in this box."""


def file_name(source_name: str) -> str:
    """The name under which a source appears in tracebacks."""
    return f"<{source_name}>"


class Tool:
    """The loaded closure of one job."""

    def __init__(self, job: Mapping[str, Any], *, line: Line, work: Path) -> None:
        self.sources: list[dict[str, Any]] = job["sources"]
        self.entry: str = self.sources[-1]["name"]
        discreet = frozenset(source["name"] for source in self.sources if source["is_discreet"])
        limits = job["limits"]
        self._recorder = SpanRecorder(line.tell, limits["spans"], limits["call_depth"], entry=self.entry, discreet=discreet)
        self._declared: dict[str, dict[str, Callable[..., Any]]] = {source["name"]: {} for source in self.sources}
        self._functions: dict[str, Callable[..., Any]] = {}
        calls = Calls(line, self._recorder)
        self._progress = Progress(line.tell)
        self._stream = Stream(line.tell_item, limits.get("result_bytes", 0))
        self._func = make_module(
            line=line,
            work=work,
            dependencies=self._declared,
            entry=self.entry,
            calls=calls,
            reporter=self._progress,
            budget=ArtifactBudget(limits.get("artifact_files", 0), limits.get("artifact_bytes", 0)),
        )
        sys.modules["func"] = self._func

    @property
    def files(self) -> dict[str, str]:
        """File name → function name, of the job's own sources."""
        return {file_name(source["name"]): source["name"] for source in self.sources}

    def run(self, arguments: Mapping[str, Any]) -> Any:
        """Load everything, dependencies first, and call the entry with its arguments as the types that it says.

        A coroutine is awaited, and of a generator all items are gathered.
        """
        for source in self.sources:
            linecache.cache[file_name(source["name"])] = _lines(source)
        for source in self.sources:
            self._functions[source["name"]] = self._load(source)
        try:
            entry = self._functions[self.entry]
            places, names = bind(entry, arguments)
            result = entry(*places, **names)
            return self._stream.gather(asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result)
        finally:
            self._progress.flush()

    def forget(self) -> None:
        """Take away what `run` has left in this process."""
        for source in self.sources:
            del sys.modules[MODULE_PREFIX + source["name"]], linecache.cache[file_name(source["name"])]
        del sys.modules["func"]

    def _load(self, source: Mapping[str, Any]) -> Callable[..., Any]:
        name, entry = source["name"], source["entry"]
        module = types.ModuleType(MODULE_PREFIX + name)
        module.__file__ = file_name(name)
        sys.modules[module.__name__] = module
        namespace = vars(module)
        namespace["func"] = self._func
        for dependency in source["dependencies"]:
            namespace[dependency.rsplit(".", maxsplit=1)[-1]] = self._declare(name, dependency)
        began = time.perf_counter()
        exec(compile(source["text"], file_name(name), "exec", dont_inherit=True), namespace)
        self._recorder.loaded(name, time.perf_counter() - began)
        if not callable(function := namespace.get(entry)):
            raise EntryMissing(f"{name} does not define a function {entry!r}.")
        return self._recorder.wrap(name, file_name(name), function)

    def _declare(self, caller: str, dependency: str) -> Callable[..., Any]:
        function = self._functions[dependency]
        self._declared[caller][dependency] = function
        return function


async def _awaited(result: Any) -> Any:
    return await result


def _lines(source: Mapping[str, Any]) -> tuple[int, None, list[str], str]:
    text = source["text"]
    return len(text), None, text.splitlines(keepends=True), file_name(source["name"])


def use_environment(environments: str, digest: str | None) -> None:
    """Put the job's packages first on the import path. Never as a site folder: that would run its .pth files.

    Raises: EnvironmentMissing.
    """
    if digest is None:
        return
    folder = Path(environments) / digest
    if not folder.is_dir():
        raise EnvironmentMissing(f"the packages {digest[:12]} are not in this box")
    if str(folder) in sys.path:
        return  # since its imports were done beforehand
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
