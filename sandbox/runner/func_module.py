"""The module `func` that every tool has: inputs, artifacts, progress, other functions, the store, models, its host."""

import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import frames
from .artifact_writer import ArtifactBudget, ArtifactWriter
from .calls import Call, Calls, RunFailed
from .library import NotForCode, members_of
from .line import HostRefused, Line
from .models import Models, ModelUnavailable
from .progress import Progress
from .spans import current
from .store import Store, StoreConflict


def make_module(
    *,
    line: Line,
    work: Path,
    dependencies: Mapping[str, Mapping[str, Callable[..., Any]]],
    entry: str,
    calls: Calls,
    reporter: Progress,
    budget: ArtifactBudget,
) -> types.ModuleType:
    """The module, bound to one job. `dependencies`: function name → what it declares, by full name."""
    module = types.ModuleType("func", "What a tool can use: see the help of its functions.")
    files, declared, models = _Files(work), _Declared(dependencies, entry), Models(line)

    def call(name: str, /, **arguments: Any) -> Any:
        """Call a function by its name: a declared dependency here, any other as a run of its own, which is waited for."""
        own = declared.here()
        return own[name](**arguments) if name in own else calls.begin(name, arguments).result()

    def call_async(name: str, /, **arguments: Any) -> Call:
        """Begin a run of a function and go on. The call's `result()` waits for its end, and so does `await`."""
        return calls.begin(name, arguments)

    def map_items(name: str, items: Iterable[Any], parallel: int = 8) -> list[Any]:
        """Run a function once for each item, several at a time; the results in the order of the items.

        A dictionary gives the arguments by name; anything else is the one argument that the function needs. After the
        first failure no further run is begun, and it is raised.
        """
        return calls.map(name, items, parallel)

    def progress(fraction: float, text: str = "") -> None:
        """Say how far the tool is, from 0.0 to 1.0. Say it as often as you like: a few times a second are passed on."""
        reporter.report(float(fraction), str(text))

    def open_artifact(name: str) -> ArtifactWriter:
        """Write a file that is kept after the run, as large as the limit artifact_bytes: it takes no scratch space.

        Use it like open(name, "wb"), in a `with` block; one at a time.
        """
        return line.open_artifact(name, budget)

    def log(*values: Any, level: str = "info") -> None:
        """Write one line for the people who watch the run."""
        line.tell(frames.LOG, {"level": str(level)[:20], "text": " ".join(map(str, values))[:600]})

    def ask_host(verb: str, /, **payload: Any) -> Any:
        """Ask the platform for something that this run was granted."""
        return line.ask(verb, payload)

    members = (
        call, call_async, progress, log, _emitter(line), ask_host, open_artifact, files.read_input, files.save_artifact,
        models.complete, models.embed, RunFailed, HostRefused, NotForCode, StoreConflict, ModelUnavailable,
    )  # fmt: skip
    others = {
        "map": map_items, "inputs": files.inputs, "artifacts": files.artifacts, "store": Store(line),
        "__getattr__": declared.by_attribute,
    }  # fmt: skip
    vars(module).update({member.__name__: member for member in members} | members_of(line, call) | others)
    return module


class _Declared:
    """The functions that the running one declares."""

    def __init__(self, dependencies: Mapping[str, Mapping[str, Callable[..., Any]]], entry: str) -> None:
        self._dependencies, self._entry = dependencies, entry

    def here(self) -> Mapping[str, Callable[..., Any]]:
        place = current.get()
        return self._dependencies[place.function if place else self._entry]

    def by_attribute(self, name: str) -> Callable[..., Any]:
        """`func.other(…)`: another way to write a call of the function `other`, which thereby is a dependency."""
        if name in (own := self.here()):
            return own[name]
        raise AttributeError(f"func has no {name!r}. A function of any name is called by func.call({name!r}, …).")


def _emitter(line: Line) -> Callable[..., str]:
    def emit(event_type: str, data: Mapping[str, Any] | None = None, key: str = "") -> str:
        """Tell the workspace that something happened, such as "order.paid"; rules that wait for it run. Gives the event's id.

        What has a key is told once by a run, also when the run is tried again.
        """
        event_id: str = line.ask("events.emit", {"type": event_type, "data": dict(data or {}), "key": key})
        return event_id

    return emit


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
