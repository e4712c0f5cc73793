"""`make bench`: figures, not tests. Each group prints what it found and replaces its part of results.json and the page."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from benchmarks import approvals, babyagi, boxes, growth, idle, imports, log_lines, page, runs, triggers, workers
from benchmarks.figures import Figure, store, table

GROUPS: dict[str, Callable[[Path], list[Figure]]] = {
    "boxes": lambda folder: boxes.measure(),
    "runs": runs.measure,
    "imports": imports.measure,
    "logs": log_lines.measure,
    "babyagi": babyagi.measure,
    "growth": growth.measure,
    "triggers": triggers.measure,
    "approvals": approvals.measure,
    "idle": idle.measure,
    "workers": workers.measure,
}


STOPS = (signal.SIGINT, signal.SIGTERM)
STOPPED = 130


def stop(_number: int, _frame: FrameType | None) -> None:
    """Once: what was started and written is removed on the way out, and a second signal must not break that off."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=sorted(GROUPS), help="one group alone")
    for number in STOPS:
        signal.signal(number, stop)
    chosen = parser.parse_args(arguments).only
    for group in [chosen] if chosen else GROUPS:
        with tempfile.TemporaryDirectory(prefix="selfsmith-bench-", dir="/var/tmp") as folder:
            figures = GROUPS[group](Path(folder))
        page.write(store(figures, [group]))
        sys.stdout.write(f"{table(figures)}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(STOPPED)
