"""What a request costs in a small and in a large installation: its time, the processor that it uses, and its statements."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.profile import Profile, processor_time
from benchmarks.statements import StatementCounter, counting
from tests.processes.installation import Installation

CALLS, COUNTED, PAUSE = 30, 9, 0.1
MOST_GROWTH = 1.5
READY_SECONDS = 60
DATABASE_HOST = "SELFSMITH_DATABASE_HOST"
type Requests = Mapping[str, Callable[[], float]]


@dataclass(frozen=True)
class Cost:
    """Of one request: the median time, who used the processor for it, and the statements that all processes made."""

    seconds: float
    processor: Profile
    statements: int


def costs_of(installation: Installation, requests: Requests, folder: Path) -> dict[str, Cost]:
    """First timed as they are, then counted with web and worker behind a counter."""
    timed = {name: _time(installation, request) for name, request in requests.items()}
    with _counted(installation, folder / "counted") as counter:
        return {name: Cost(*timed[name], _statements(request, counter)) for name, request in requests.items()}


def compare(group: str, sizes: tuple[object, object], small: dict[str, Cost], large: dict[str, Cost]) -> list[Figure]:
    """Three figures for each request: how long at the larger size, how much longer than at the smaller, and the statements."""
    return [figure for name in small for figure in _figures(group, sizes, name, small[name], large[name])]


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


def _figures(group: str, sizes: tuple[object, object], name: str, small: Cost, large: Cost) -> list[Figure]:
    ratio = round(large.seconds / small.seconds, 2)
    before = f"at {sizes[0]}"
    return [
        Figure(group, f"{name}, at {sizes[1]}, p50", milliseconds(large.seconds), "ms", before, milliseconds(small.seconds)),
        Figure(
            group,
            f"{name}: the same beside the small",
            ratio,
            "times as long",
            target=MOST_GROWTH,
            bound=_more(small.processor, large.processor).sentence,
        ),
        Figure(
            group,
            f"{name}: statements",
            large.statements,
            "statements",
            before,
            small.statements,
            small.statements,
            "more statements as the installation grows",
        ),
    ]
