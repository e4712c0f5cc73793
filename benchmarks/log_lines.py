"""From a line that a tool prints to the frame in an open socket, with one and with many listeners."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from benchmarks.figures import NOT_PROFILED, Figure, milliseconds, percentile
from benchmarks.installations import isolated, running
from tests.processes.hand_written import SLOW, begin
from tests.processes.installation import Installation

LISTENERS, LINES, PAUSE = (1, 50), 100, 0.05


def measure(folder: Path) -> list[Figure]:
    figures = []
    with running(folder) as installation:
        isolated(installation, SLOW.format(name="slow"), "run")
        for listeners in LISTENERS:
            run = begin(installation, "slow", lines=LINES, pause=PAUSE)
            with ThreadPoolExecutor(listeners) as threads:
                heard = list(threads.map(lambda _: _listen(installation, run), range(listeners)))  # noqa: B023 (used at once)
            lost = sum(LINES - len(delays) for delays in heard)
            delays = [delay for each in heard for delay in each]
            name = f"print → line in the socket, {listeners} listening"
            figures.append(Figure("logs", f"{name}, p50", milliseconds(percentile(delays, 50)), "ms"))
            figures.append(
                Figure("logs", f"{name}, p95", milliseconds(percentile(delays, 95)), "ms", target=150, bound=NOT_PROFILED)
            )
            figures.append(Figure("logs", f"{name}: lines lost", lost, "lines", target=0))
    return figures


def _listen(installation: Installation, run: str) -> list[float]:
    """Seconds from each line's print, as it says itself, to here: box and host share one clock."""
    cookies = "; ".join(f"{name}={value}" for name, value in installation.session("developer").cookies.items())
    address = f"ws://127.0.0.1:{installation.port}/ws/w/acme/runs/{run}"
    delays: list[float] = []
    with connect(address, additional_headers={"Cookie": cookies}, origin=installation.url, open_timeout=30) as socket:  # type: ignore[arg-type]
        try:
            while True:
                frame = json.loads(socket.recv(60))
                now = time.time()
                texts = [piece["text"] for piece in frame["lines"]]
                delays += [now - float(at) for text in texts for at in re.findall(r" at ([0-9.]+)", text)]
        except ConnectionClosed:
            return delays
