"""Whole runs over HTTP: one web process, one worker, PostgreSQL, Redis, and a box in gVisor."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.installations import call, isolated, running
from benchmarks.profile import Profile, processor_per_run
from tests.processes.installation import Installation

SAMPLES, AT_ONCE, LEAST_AT_ONCE, SEQUENTIAL = 60, (8, 50), 40, 40
PAUSE = 1.0  # what one run costs, and not what the start of the next box does, which takes half a second
NOTHING = 'def {name}() -> int:\n    """Do nothing."""\n    return 1\n'
FIBONACCI = '''
def {name}(n: int = 10) -> int:
    """The n-th number, by the slow way that Windmill's table uses."""
    def fibonacci(k):
        return k if k < 2 else fibonacci(k - 1) + fibonacci(k - 2)
    return fibonacci(n)
'''
WINDMILL_TABLE = "Hatchet, no sandbox (published)"
HATCHET_MS = 31.0
type Profiles = dict[str, Profile]


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        for isolation in ("run", "function"):
            isolated(installation, NOTHING.format(name=f"nothing_{isolation}"), isolation)
            isolated(installation, FIBONACCI.format(name=f"fibonacci_{isolation}"), isolation)
        profiles = {isolation: processor_per_run(installation, f"nothing_{isolation}") for isolation in ("run", "function")}
        return [
            *_one_by_one(installation, profiles),
            *_at_once(installation, profiles),
            *_sequential(installation, profiles),
            *(each for name, profile in profiles.items() for each in profile.figures("runs", f"a run, isolation = {name}")),
        ]


def _one_by_one(installation: Installation, profiles: Profiles) -> list[Figure]:
    figures = []
    for isolation, target in (("run", 60), ("function", 31)):
        name, bound = f"nothing_{isolation}", profiles[isolation].sentence
        call(installation, name)
        seconds = []
        for _ in range(SAMPLES):
            time.sleep(PAUSE)
            seconds.append(call(installation, name))
        p50, p95 = milliseconds(percentile(seconds, 50)), milliseconds(percentile(seconds, 95))
        shown = f"a run that does nothing, isolation = {isolation}"
        figures.append(Figure("runs", f"{shown}, p50", p50, "ms", target=target, bound=bound))
        figures.append(Figure("runs", f"{shown}, p95", p95, "ms"))
    return figures


def _at_once(installation: Installation, profiles: Profiles) -> list[Figure]:
    figures = []
    for isolation in ("run", "function"):
        for clients in AT_ONCE:
            total = max(clients, LEAST_AT_ONCE)
            began = time.perf_counter()
            with ThreadPoolExecutor(clients) as callers:
                list(callers.map(call, [installation] * total, [f"nothing_{isolation}"] * total))
            rate = round(total / (time.perf_counter() - began), 1)
            target = 40 if isolation == "function" and clients == AT_ONCE[0] else None
            name, bound = f"{clients} callers at once, isolation = {isolation}", profiles[isolation].sentence
            figures.append(Figure("runs", name, rate, "runs/s", target=target, bound=bound))
    return figures


def _sequential(installation: Installation, profiles: Profiles) -> list[Figure]:
    figures = []
    for isolation in ("function", "run"):
        began = time.perf_counter()
        for _ in range(SEQUENTIAL):
            call(installation, f"fibonacci_{isolation}")
        each = milliseconds((time.perf_counter() - began) / SEQUENTIAL)
        target = HATCHET_MS if isolation == "function" else None
        name = f"{SEQUENTIAL} times fibonacci(10) one after another, isolation = {isolation}: each"
        bound = profiles[isolation].sentence
        figures.append(Figure("runs", name, each, "ms", WINDMILL_TABLE, HATCHET_MS, target, bound))
    return figures
