"""The same batch of runs with one, two and four workers on this machine."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.installations import isolated, running
from tests.processes.hand_written import begin
from tests.processes.installation import Installation

WORKERS = (1, 2, 4)
BATCH = {"run": 24, "function": 80}  # by isolation: a box per run takes the engine a third of a second
CLIENTS = 4
WARM_BOXES = 2
START_SECONDS, BATCH_SECONDS = 120, 240
NOTHING = 'def {name}() -> int:\n    """Do nothing."""\n    return 1\n'
ALIVE = "SELECT count(*) FROM monitoring_processreport WHERE kind = 'worker' AND warm_boxes >= %s"
ENDED = "SELECT count(*) FROM runs_run WHERE state = 'succeeded' AND id = ANY(%s::uuid[])"
SPAN = "SELECT extract(epoch FROM max(finished_at) - min(created_at))::float FROM runs_run WHERE id = ANY(%s::uuid[])"


def measure(folder: Path) -> list[Figure]:
    figures = []
    with running(folder, SELFSMITH_BOXES_MIN=str(WARM_BOXES)) as installation:
        for isolation in BATCH:
            isolated(installation, NOTHING.format(name=f"nothing_{isolation}"), isolation)
        for workers in WORKERS:
            _have(installation, workers)
            for isolation, number in BATCH.items():
                rate = round(_rate(installation, f"nothing_{isolation}", number), 1)
                name = f"{number} runs at once, isolation = {isolation}, workers: {workers}"
                figures.append(Figure("workers", name, rate, "runs/s"))
    return figures


def _have(installation: Installation, workers: int) -> None:
    for number in range(2, workers + 1):
        if f"worker-{number}" not in installation.processes:
            installation.start(f"worker-{number}")
    installation.wait_until(
        lambda: installation.rows(ALIVE, WARM_BOXES) == [(workers,)], START_SECONDS, f"{workers} workers with warm boxes"
    )


def _rate(installation: Installation, name: str, number: int) -> float:
    """From the first request to the last end, by the database's clock."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        runs = list(clients.map(lambda _: begin(installation, name), range(number)))
    installation.wait_until(lambda: installation.rows(ENDED, runs) == [(number,)], BATCH_SECONDS, "the end of the batch")
    ((seconds,),) = installation.rows(SPAN, runs)
    return number / float(seconds)
