"""A function that imports pandas: with each run, and before it is asked for."""

import time
from pathlib import Path

from benchmarks.approvals import environment_ready
from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.installations import call, running
from tests.processes.installation import Installation, checked

SAMPLES = 20
PAUSE = 4.0  # seconds in which the next box becomes ready, or frozen again
PACKAGE = "pandas==2.3.3"
SOURCE = '''
import pandas

def {name}() -> int:
    """Make a small table."""
    return len(pandas.DataFrame([1, 2, 3]))
'''


def measure(folder: Path) -> list[Figure]:
    with running(folder) as installation:
        environment_ready(installation, PACKAGE)
        return [each for isolation in ("run", "function") for each in _figures(installation, isolation)]


def _figures(installation: Installation, isolation: str) -> list[Figure]:
    with_the_run, beforehand = (_median(installation, isolation, imports_first=first) for first in (False, True))
    shown = f"a run that uses pandas, isolation = {isolation}, of {SAMPLES}: p50"
    return [
        Figure("imports", f"{shown}, imports done with the run", with_the_run, "ms"),
        Figure("imports", f"{shown}, imports done beforehand", beforehand, "ms", "with the run", with_the_run),
    ]


def _median(installation: Installation, isolation: str, *, imports_first: bool) -> float:
    name = f"table_{isolation}_{'before' if imports_first else 'with'}"
    body = {"source": SOURCE.format(name=name), "requirements": [PACKAGE], "isolation": isolation, "imports_first": imports_first}
    checked(installation.api("developer").post("/functions", json=body))
    call(installation, name)
    seconds = []
    for _ in range(SAMPLES):
        time.sleep(PAUSE)
        seconds.append(call(installation, name))
    return milliseconds(percentile(seconds, 50))
