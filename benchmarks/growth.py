"""The same requests to a small and to a large installation: how long they take, and how many statements they make.

The large one has a hundred times as many runs, log lines and functions. Half of all runs are of the function that is run
here, and half of all lines are of the run whose page is opened: nobody's data are spread evenly.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.filling import fill_functions, fill_lines, fill_runs, filling
from benchmarks.installations import call, isolated, running
from benchmarks.profile import Profile, processor_time
from benchmarks.statements import StatementCounter, counting
from tests.processes.hand_written import begin, wait_for_end
from tests.processes.installation import Installation

CALLS, COUNTED, PAUSE = 30, 9, 0.1
MOST_GROWTH = 1.5
READY_SECONDS = 60
ONE = 'def one() -> int:\n    """Prints its line."""\n    print("a line")\n    return 1\n'
DATABASE_HOST = "SELFSMITH_DATABASE_HOST"
type Requests = Mapping[str, Callable[[], float]]


@dataclass(frozen=True)
class Size:
    """How much is stored."""

    runs: int
    lines: int
    functions: int

    def __str__(self) -> str:
        return f"{self.runs} runs, {self.lines} lines, {self.functions} functions"


SMALL, LARGE = Size(1_000, 10_000, 100), Size(100_000, 1_000_000, 10_000)


@dataclass(frozen=True)
class Cost:
    """Of one request: the median time, who used the processor for it, and the statements that all processes made."""

    seconds: float
    processor: Profile
    statements: int


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        isolated(installation, ONE, "function")
        run = begin(installation, "one")
        wait_for_end(installation, run)
        small = _costs(installation, run, SMALL, folder)
        large = _costs(installation, run, LARGE, folder)
    return [figure for name in small for figure in _figures(name, small[name], large[name])]


def _costs(installation: Installation, run: str, size: Size, folder: Path) -> dict[str, Cost]:
    with filling(installation) as database:
        fill_functions(database, pattern="one", until=size.functions)
        fill_runs(database, pattern=run, until=size.runs)
        fill_lines(database, run=run, until=size.lines)
    requests = _requests(installation, run)
    timed = {name: _time(installation, request) for name, request in requests.items()}
    with _counted(installation, folder / "counted") as counter:
        return {name: Cost(*timed[name], _statements(request, counter)) for name, request in requests.items()}


def _requests(installation: Installation, run: str) -> Requests:
    pages = {"home": "", "runs": "runs/", "functions": "functions/", "a run with its log": f"runs/{run}/"}
    opened = {f"page: {name}": partial(_open, installation, f"/w/acme/{path}") for name, path in pages.items()}
    return {"a run over HTTP, isolation = function": partial(call, installation, "one"), **opened}


def _open(installation: Installation, path: str) -> float:
    client = installation.session("developer")
    began = time.perf_counter()
    answer = client.get(path, timeout=120)
    seconds = time.perf_counter() - began
    assert answer.status_code == 200, f"{path} answered {answer.status_code}"
    return seconds


def _time(installation: Installation, request: Callable[[], float]) -> tuple[float, Profile]:
    request()
    with processor_time(installation) as spent:
        seconds = [_paced(request) for _ in range(CALLS)]
    parts = {name: used / CALLS for name, used in spent.items()}
    return percentile(seconds, 50), Profile("processor time", sum(seconds) / CALLS, parts)


def _paced(request: Callable[[], float]) -> float:
    time.sleep(PAUSE)
    return request()


def _statements(request: Callable[[], float], counter: StatementCounter) -> int:
    """The fewest of some requests, since heartbeats and looks for work that fall into one only add to it."""
    request()
    found = []
    for _ in range(COUNTED):
        time.sleep(PAUSE)
        before = counter.number
        request()
        time.sleep(PAUSE)  # a worker may still be putting away what the answer did not need
        found.append(counter.number - before)
    return min(found)


@contextmanager
def _counted(installation: Installation, folder: Path) -> Iterator[StatementCounter]:
    """Web and worker started anew behind the counter; afterwards as they were. The scheduler's own rounds are not counted."""
    folder.mkdir()
    server = installation.variables[DATABASE_HOST]
    with counting(folder, Path(server)) as counter:
        _restart(installation, str(folder))
        yield counter
        _restart(installation, server)
    (folder / ".s.PGSQL.5432").unlink()
    folder.rmdir()


def _restart(installation: Installation, database_host: str) -> None:
    installation.terminate("web", "worker")
    installation.variables[DATABASE_HOST] = database_host
    installation.restart("web")
    installation.restart("worker")
    installation.wait_until(installation.boxes, READY_SECONDS, "a box of the new worker")


def _more(small: Profile, large: Profile) -> Profile:
    """Whose processor time the growth of a duration is, if anybody's."""
    parts = {name: large.parts[name] - small.parts[name] for name in large.parts}
    return Profile("processor time more than at the small", large.whole - small.whole, parts)


def _figures(name: str, small: Cost, large: Cost) -> list[Figure]:
    ratio = round(large.seconds / small.seconds, 2)
    before = f"at {SMALL}"
    return [
        Figure("growth", f"{name}, at {LARGE}, p50", milliseconds(large.seconds), "ms", before, milliseconds(small.seconds)),
        Figure(
            "growth",
            f"{name}: the same beside the small",
            ratio,
            "times as long",
            target=MOST_GROWTH,
            bound=_more(small.processor, large.processor).sentence,
        ),
        Figure(
            "growth",
            f"{name}: statements",
            large.statements,
            "statements",
            before,
            small.statements,
            small.statements,
            "more statements as the installation grows",
        ),
    ]
