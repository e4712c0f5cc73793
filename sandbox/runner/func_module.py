"""The module `func` that every tool has: its inputs, its artifacts, its progress, its declared dependencies, its host."""

import json
import os
import threading
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import frames
from .spans import current


class UndeclaredDependency(Exception):
    """The tool called a function that it does not declare."""


class HostRefused(Exception):
    """The host would not do what the tool asked for; says why."""


class Line:
    """The tool's side of the two pipes to its host. Only the process that the job began in may ask and wait."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests, self._replies = requests, replies
        self._owner = os.getpid()
        self._asking = threading.Lock()
        self._reader = frames.FrameReader({frames.REPLY: frames.HOST_FRAMES[frames.REPLY]})

    def tell(self, kind: int, fields: dict[str, Any]) -> None:
        """Send what needs no answer, in one atomic write, cut when its text grew too long on the way."""
        data = frames.frame_json(kind, fields)
        if len(data) > frames.ATOMIC:
            data = frames.frame_json(kind, {key: _cut(value) for key, value in fields.items()})
        os.write(self._requests, data)

    def ask(self, verb: str, payload: dict[str, Any]) -> Any:
        """Ask the host and wait for its answer.

        Raises: HostRefused with the host's reason.
        """
        if os.getpid() != self._owner:
            raise HostRefused("Only the process that the job began in can ask its host.")
        with self._asking:
            frames.write_all(self._requests, frames.frame_json(frames.REQUEST, {"verb": verb, "payload": payload}))
            answer = json.loads(self._next())
        if "refused" in answer:
            raise HostRefused(answer["refused"])
        return answer["value"]

    def _next(self) -> bytes:
        while data := os.read(self._replies, frames.CHUNK):
            for _, payload in self._reader.feed(data):
                return payload
        raise HostRefused("The host has hung up.")


def _cut(value: Any) -> Any:
    return value[:100] if isinstance(value, str) else value


def make_module(
    *, line: Line, work: Path, dependencies: Mapping[str, Mapping[str, Callable[..., Any]]], entry: str
) -> types.ModuleType:
    """The module, bound to one job. `dependencies`: function name → what it declares, by full name."""
    module = types.ModuleType("func", "What a tool can use: see the help of its functions.")
    files = _Files(work)

    def call(name: str, /, **arguments: Any) -> Any:
        """Call a declared dependency by its name."""
        place = current.get()
        caller = place.function if place else entry
        declared = dependencies[caller]
        if name not in declared:
            raise UndeclaredDependency(
                f"{caller} does not declare {name!r} as a dependency. Declared: {', '.join(sorted(declared)) or 'none'}."
            )
        return declared[name](**arguments)

    def progress(fraction: float, text: str = "") -> None:
        """Say how far the tool is, from 0.0 to 1.0."""
        line.tell(frames.PROGRESS, {"fraction": min(1.0, max(0.0, float(fraction))), "text": str(text)[:500]})

    def log(*values: Any, level: str = "info") -> None:
        """Write one line for the people who watch the run."""
        line.tell(frames.LOG, {"level": str(level)[:20], "text": " ".join(map(str, values))[:600]})

    def ask_host(verb: str, /, **payload: Any) -> Any:
        """Ask the platform for something that this run was granted."""
        return line.ask(verb, payload)

    members = (call, progress, log, ask_host, files.read_input, files.save_artifact)
    vars(module).update({member.__name__: member for member in members}, inputs=files.inputs, artifacts=files.artifacts)
    return module


class _Files:
    """The two folders of a job."""

    def __init__(self, work: Path) -> None:
        self.inputs, self.artifacts = work / "inputs", work / "artifacts"

    def read_input(self, name: str) -> bytes:
        """The bytes of an input file."""
        path = self.inputs / name
        if path.parent != self.inputs or not path.is_file():
            names = ", ".join(sorted(entry.name for entry in self.inputs.iterdir())) or "none"
            raise FileNotFoundError(f"There is no input file {name!r}. There are: {names}.")
        return path.read_bytes()

    def save_artifact(self, name: str, data: bytes | str) -> str:
        """Keep a file after the run. Gives its path; the file is taken when the run ends."""
        path = self.artifacts / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ValueError(f"An artifact's name is a relative path, not {name!r}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)
