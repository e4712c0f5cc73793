"""Where the time of a job in a box and of a run goes: what the figures that miss their target name as their bound."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from unittest.mock import patch

from benchmarks.figures import Figure, milliseconds
from benchmarks.installations import call
from benchmarks.processor import busy_seconds, cpu_seconds, roots_of
from sandbox import Job, Pool
from sandbox.listening import Listener
from sandbox.runner import frames
from tests.processes.installation import Installation

STAGES = {
    frames.STARTED: "job sent → STARTED",
    frames.SPAN_STARTED: "→ SPAN_STARTED",
    frames.RESULT: "→ RESULT",
    frames.EXIT: "→ EXIT",
}
PROFILED_RUNS, PAUSE, NAMED = 30, 0.1, 3
BOXES = "boxes, engine and kernel"


@dataclass(frozen=True)
class Profile:
    """Parts of one duration, in seconds; `what` says of which kind they are. `whole` is the wall time beside them."""

    what: str
    whole: float
    parts: dict[str, float]

    @property
    def sentence(self) -> str:
        """The largest parts, the largest first."""
        largest = sorted(self.parts, key=lambda name: -self.parts[name])[:NAMED]
        told = ", ".join(f"{name} {milliseconds(self.parts[name]):g}" for name in largest)
        return f"{self.what}, of {milliseconds(self.whole):g} ms: {told}"

    def figures(self, group: str, of: str) -> list[Figure]:
        return [Figure(group, f"{of}: {self.what}, {name}", milliseconds(part), "ms") for name, part in self.parts.items()]


class _Stopwatch(Listener):
    """Notes when the host hears the first frame of each type."""

    heard: dict[int, float]

    def hear(self, kind: int, payload: bytes) -> None:
        self.heard.setdefault(kind, time.perf_counter())
        super().hear(kind, payload)


def stages_of_a_job(pool: Pool, job: Job, *, samples: int, pause: float) -> Profile:
    """Medians between the moments of a job in a warm box, as the host sees them."""
    told: list[dict[str, float]] = []
    with patch("sandbox.box.Listener", _Stopwatch):
        for _ in range(samples):
            assert pool.wait_until_warm(30)
            time.sleep(pause)
            told.append(_stages(pool, job))
    medians = {name: median(each[name] for each in told) for name in told[0]}
    return Profile("stages", median(sum(each.values()) for each in told), medians)


def _stages(pool: Pool, job: Job) -> dict[str, float]:
    heard: dict[int, float] = {}
    _Stopwatch.heard = heard
    began = time.perf_counter()
    with pool.take() as box:
        taken = time.perf_counter()
        outcome = box.run(job, on_event=lambda event: None)
        ended = time.perf_counter()
    assert outcome.ok, outcome.message
    moments = [("box taken", taken), *((name, heard[kind]) for kind, name in STAGES.items()), ("outcome decided", ended)]
    return {name: at - before for (name, at), before in zip(moments, [began, *(at for _, at in moments)], strict=False)}


def processor_per_run(installation: Installation, function: str) -> Profile:
    """For one run, one after another. What boxes cost is what the machine was busy with beside our own processes.

    A box's own count tells a part of it only: most of a fork in gVisor is done by the kernel outside, for processes that are
    gone before anybody counts them.
    """
    call(installation, function)
    busy, own = busy_seconds(), time.process_time()
    with processor_time(installation) as spent:
        wall = sum(_paced(installation, function) for _ in range(PROFILED_RUNS))
    spent[BOXES] = busy_seconds() - busy - sum(spent.values()) - (time.process_time() - own)
    return Profile("processor time", wall / PROFILED_RUNS, {name: seconds / PROFILED_RUNS for name, seconds in spent.items()})


@contextmanager
def processor_time(installation: Installation) -> Iterator[dict[str, float]]:
    """What each process used meanwhile, by the kernel's counts; filled in at the end."""
    spent: dict[str, float] = {}
    before = _used(installation)
    yield spent
    after = _used(installation)
    spent |= {name: after[name] - before[name] for name in before}


def _used(installation: Installation) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in roots_of(installation).items()}


def _paced(installation: Installation, function: str) -> float:
    time.sleep(PAUSE)
    return call(installation, function)
