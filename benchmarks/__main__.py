"""`make bench`: figures, not tests. Each group prints what it found and replaces its part of results.json and the page."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import boxes, log_lines, runs
from benchmarks.figures import Figure, store, table

GROUPS: dict[str, Callable[[Path], list[Figure]]] = {
    "boxes": lambda folder: boxes.measure(),
    "runs": runs.measure,
    "logs": log_lines.measure,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=sorted(GROUPS), help="one group alone")
    chosen = parser.parse_args(arguments).only
    for group in [chosen] if chosen else GROUPS:
        with tempfile.TemporaryDirectory(prefix="selfsmith-bench-", dir="/var/tmp") as folder:
            figures = GROUPS[group](Path(folder))
        store(figures, [group])
        sys.stdout.write(f"{table(figures)}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
