"""The same requests to a small and to a large installation: how long they take, and how many statements they make.

The large one has a hundred times as many runs, log lines and functions. Half of all runs are of the function that is run
here, and half of all lines are of the run whose page is opened: nobody's data are spread evenly.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.filling import fill_functions, fill_lines, fill_runs, filling
from benchmarks.growing import Cost, Requests, compare, costs_of
from benchmarks.installations import call, isolated, running
from tests.processes.hand_written import begin, wait_for_end
from tests.processes.installation import Installation

ONE = 'def one() -> int:\n    """Prints its line."""\n    print("a line")\n    return 1\n'


@dataclass(frozen=True)
class Size:
    """How much is stored."""

    runs: int
    lines: int
    functions: int

    def __str__(self) -> str:
        return f"{self.runs} runs, {self.lines} lines, {self.functions} functions"


SMALL, LARGE = Size(1_000, 10_000, 100), Size(100_000, 1_000_000, 10_000)


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        isolated(installation, ONE, "function")
        run = begin(installation, "one")
        wait_for_end(installation, run)
        small = _costs(installation, run, SMALL, folder)
        large = _costs(installation, run, LARGE, folder)
    return compare("growth", (SMALL, LARGE), small, large)


def _costs(installation: Installation, run: str, size: Size, folder: Path) -> dict[str, Cost]:
    with filling(installation) as database:
        fill_functions(database, pattern="one", until=size.functions)
        fill_runs(database, pattern=run, until=size.runs)
        fill_lines(database, run=run, until=size.lines)
    return costs_of(installation, _requests(installation, run), folder)


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
