"""What an installation costs while nobody asks anything of it."""

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.installations import running
from benchmarks.processor import box_cpu_seconds, box_memory_bytes, cpu_seconds, memory_bytes, roots_of, tree_of
from tests.processes.installation import Installation

BOXES = 4
SECONDS, QUIET_SECONDS = 30, 120
MIB = 1 << 20
BUSY = """
SELECT (SELECT count(*) FROM packages_packageset WHERE state IN ('queued', 'resolving'))
     + (SELECT count(*) FROM agents_task WHERE state IN ('queued', 'working'))
     + (SELECT count(*) FROM runs_run WHERE state IN ('queued', 'running'))
"""
WARM = "SELECT coalesce(sum(warm_boxes), 0) FROM monitoring_processreport"


def measure(folder: Path) -> list[Figure]:
    with running(folder, SELFSMITH_BOXES_MIN=str(BOXES), SELFSMITH_BOXES_MAX=str(BOXES)) as installation:
        installation.wait_until(lambda: installation.rows(BUSY) == [(0,)], QUIET_SECONDS, "an idle installation")
        installation.wait_until(lambda: installation.rows(WARM) == [(BOXES,)], QUIET_SECONDS, "all boxes warm")
        return [*_processor(installation), *_memory(installation)]


def _processor(installation: Installation) -> list[Figure]:
    """Over the same span of time for all: a box's by its control group, a process's with all that it started."""
    roots = roots_of(installation)
    boxes = [box.attrs["State"]["Pid"] for box in installation.boxes()]
    measures: dict[str, Callable[[], float]] = {
        "box": lambda: sum(map(box_cpu_seconds, boxes)) / len(boxes),
        **{name: lambda pid=pid: cpu_seconds(pid) for name, pid in roots.items()},  # type: ignore[misc]  # the default binds it
    }
    before, began = {name: read() for name, read in measures.items()}, time.perf_counter()
    time.sleep(SECONDS)
    after, seconds = {name: read() for name, read in measures.items()}, time.perf_counter() - began
    used = {name: round(1000 * (after[name] - before[name]) / seconds, 1) for name in measures}
    per_second = "ms of processor a second"
    bound = "the box is not frozen"
    parts = [Figure("idle", f"of which {name}", used[name], per_second) for name in roots]
    return [
        Figure("idle", f"a frozen box over {SECONDS} s", used["box"], per_second, target=0, bound=bound),
        Figure("idle", f"the platform without boxes over {SECONDS} s", round(sum(used[name] for name in roots), 1), per_second),
        *parts,
    ]


def _memory(installation: Installation) -> list[Figure]:
    """What several processes share is divided between them, so that the sum is true."""
    used = {name: memory_bytes(tree_of(pid)) / MIB for name, pid in roots_of(installation).items()}
    boxes = [box_memory_bytes(box.id) / MIB for box in installation.boxes()]
    parts = [Figure("idle", f"of which {name}", round(size), "MiB") for name, size in used.items()]
    return [
        Figure(
            "idle", "memory of a frozen box, the engine's processes for it included", round(sum(boxes) / len(boxes), 1), "MiB"
        ),
        Figure("idle", "memory of the platform without boxes", round(sum(used.values())), "MiB"),
        *parts,
    ]
