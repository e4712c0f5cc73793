"""One stored function and a chain of ten dependencies, beside BabyAGI on the same machine, as the number of functions grows.

What is compared: theirs is a call in the process that holds the store (SQLite), without a sandbox and without HTTP; ours is
a POST to a whole installation, through a web process, PostgreSQL, Redis, a worker and a kept box in gVisor.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.filling import fill_functions, filling
from benchmarks.installations import call, isolated, running
from benchmarks.profile import processor_per_run
from tests.processes.installation import Installation

RELEASE = "babyagi==0.1.4"
STORED = (36, 1036, 2036)
CHAIN, CALLS, PAUSE = 10, 30, 0.1
MINUTES = 60  # seconds
MEASURES = {"one": "one function", "chain0": f"a chain of {CHAIN}"}
THEIR_NAMES = {"one": "one", "chain0": "chain"}
ONE = 'def one() -> int:\n    """Stands alone."""\n    return 1\n'
LINK = 'def chain{place}() -> int:\n    """Needs the next."""\n    return chain{next}()\n'
LAST = 'def chain{place}() -> int:\n    """Needs no other."""\n    return 1\n'
type Cells = dict[tuple[int, str], float]


def measure(folder: Path) -> list[Figure]:
    theirs = _theirs(folder / "babyagi")
    with running(folder) as installation:
        _write(installation)
        ours = {(number, name): _ours(installation, number, name) for number in STORED for name in MEASURES}
        bound = processor_per_run(installation, "one").sentence
    return [*_cells(ours, theirs, bound), *_growth(ours, bound)]


def _theirs(folder: Path) -> Cells:
    """Medians in seconds, from an environment that is made for it and removed."""
    environment, store = folder / "environment", folder / "store"
    store.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=MINUTES)
    python = environment / "bin" / "python"
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, RELEASE], check=True, timeout=10 * MINUTES)
    program = Path(__file__).with_name("in_babyagi.py")
    done = subprocess.run(  # -P: its folder holds a module of the very name that it imports
        [python, "-P", program, *map(str, STORED)],
        cwd=store,
        env={"PATH": os.environ["PATH"], "HOME": str(store), "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        check=False,
        capture_output=True,
        text=True,
        timeout=10 * MINUTES,
    )
    assert done.returncode == 0, f"BabyAGI could not be measured: {done.stderr[-2000:]}"
    shutil.rmtree(folder)
    told = json.loads(done.stdout.splitlines()[-1])
    return {(number, name): percentile(told[str(number)][THEIR_NAMES[name]], 50) for number in STORED for name in MEASURES}


def _write(installation: Installation) -> None:
    isolated(installation, ONE, "function")
    isolated(installation, LAST.format(place=CHAIN), "function")
    for place in reversed(range(CHAIN)):
        isolated(installation, LINK.format(place=place, next=place + 1), "function")


def _ours(installation: Installation, number: int, name: str) -> float:
    with filling(installation) as database:
        fill_functions(database, pattern="one", until=number)
    seconds = []
    call(installation, name)  # starts the box that is kept
    for _ in range(CALLS):
        time.sleep(PAUSE)  # one after another, not a queue
        seconds.append(call(installation, name))
    return percentile(seconds, 50)


def _cells(ours: Cells, theirs: Cells, bound: str) -> list[Figure]:
    return [
        Figure(
            "babyagi",
            f"{MEASURES[name]}, {number} stored, p50",
            milliseconds(ours[number, name]),
            "ms",
            "BabyAGI, no sandbox",
            milliseconds(theirs[number, name]),
            milliseconds(theirs[number, name]),
            bound,
        )
        for number in STORED
        for name in MEASURES
    ]


def _growth(ours: Cells, bound: str) -> list[Figure]:
    """Ratios, of which less is better."""
    fewest, most = STORED[0], STORED[-1]
    chain = round(ours[most, "chain0"] / ours[most, "one"], 2)
    grown = max(ours[most, name] / ours[fewest, name] for name in MEASURES)
    return [
        Figure(
            "babyagi", f"a chain of {CHAIN} beside one function, {most} stored", chain, "times as long", target=2, bound=bound
        ),
        Figure(
            "babyagi",
            f"{most} stored beside {fewest}, the slower of both",
            round(grown, 2),
            "times as long",
            target=1.2,
            bound=bound,
        ),
    ]
