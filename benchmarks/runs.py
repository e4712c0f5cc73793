"""Whole runs over HTTP: one web process, one worker, PostgreSQL, Redis, and a box in gVisor."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import NOT_PROFILED, Figure, milliseconds, percentile
from benchmarks.installations import isolated, running
from tests.processes.installation import Installation, checked

SAMPLES, AT_ONCE, LEAST_AT_ONCE, SEQUENTIAL = 60, (8, 50), 40, 40
PAUSE = 0.5  # at most two a second: what one run costs, not what a queue does
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


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        for isolation in ("run", "function"):
            isolated(installation, NOTHING.format(name=f"nothing_{isolation}"), isolation)
            isolated(installation, FIBONACCI.format(name=f"fibonacci_{isolation}"), isolation)
        return [*_one_by_one(installation), *_at_once(installation), *_sequential(installation)]


def _call(installation: Installation, name: str) -> float:
    began = time.perf_counter()
    run = checked(installation.api("developer").post(f"/functions/{name}/runs?wait=60", json={"arguments": {}}, timeout=120))
    seconds = time.perf_counter() - began
    assert run["state"] == "succeeded", run
    return seconds


def _one_by_one(installation: Installation) -> list[Figure]:
    figures = []
    for isolation, target in (("run", 60), ("function", 31)):
        name = f"nothing_{isolation}"
        _call(installation, name)
        seconds = []
        for _ in range(SAMPLES):
            time.sleep(PAUSE)
            seconds.append(_call(installation, name))
        p50, p95 = milliseconds(percentile(seconds, 50)), milliseconds(percentile(seconds, 95))
        figures.append(
            Figure("runs", f"a run that does nothing, isolation = {isolation}, p50", p50, "ms", target=target, bound=NOT_PROFILED)
        )
        figures.append(Figure("runs", f"the same, isolation = {isolation}, p95", p95, "ms"))
    return figures


def _at_once(installation: Installation) -> list[Figure]:
    figures = []
    for isolation in ("run", "function"):
        for clients in AT_ONCE:
            total = max(clients, LEAST_AT_ONCE)
            began = time.perf_counter()
            with ThreadPoolExecutor(clients) as callers:
                list(callers.map(_call, [installation] * total, [f"nothing_{isolation}"] * total))
            rate = round(total / (time.perf_counter() - began), 1)
            target = 40 if isolation == "function" and clients == AT_ONCE[0] else None
            figures.append(
                Figure(
                    "runs",
                    f"{clients} callers at once, isolation = {isolation}",
                    rate,
                    "runs/s",
                    target=target,
                    bound=NOT_PROFILED,
                )
            )
    return figures


def _sequential(installation: Installation) -> list[Figure]:
    figures = []
    for isolation in ("function", "run"):
        began = time.perf_counter()
        for _ in range(SEQUENTIAL):
            _call(installation, f"fibonacci_{isolation}")
        each = milliseconds((time.perf_counter() - began) / SEQUENTIAL)
        target = HATCHET_MS if isolation == "function" else None
        name = f"{SEQUENTIAL} times fibonacci(10) one after another, isolation = {isolation}: each"
        figures.append(Figure("runs", name, each, "ms", WINDMILL_TABLE, HATCHET_MS, target, NOT_PROFILED))
    return figures
