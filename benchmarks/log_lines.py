"""From a line that a tool prints to the frame in an open socket, with one and with many listeners; and a million lines."""

import hashlib
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.installations import isolated, running
from benchmarks.profile import Profile, processor_time
from tests.processes.hand_written import SLOW, begin
from tests.processes.installation import Installation, checked

LISTENERS, LINES, PAUSE = (1, 50), 100, 0.05
RUNS, LINES_EACH, AT_ONCE = 20, 50_000, 4
LOST = "a fault, not a limit: lines must never be lost"
TALKER = '''
def talker(lines: int) -> int:
    """Print numbered lines as fast as they are taken."""
    for number in range(lines):
        print("line", number)
    return lines
'''
STORED = """
SELECT coalesce(sum(length(text) - length(replace(text, E'\\n', ''))), 0)::bigint,
       md5(coalesce(string_agg(text, '' ORDER BY seq), ''))
FROM runs_logchunk WHERE run_id = %s AND stream = 'stdout'
"""
SPAN = "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float FROM runs_run WHERE id = ANY(%s::uuid[])"


@dataclass(frozen=True)
class Heard:
    """By one listener: how many lines, and of those that were printed while it listened the seconds until they were here."""

    opening: float  # seconds until the socket was open
    lines: int
    delays: list[float]


def measure(folder: Path) -> list[Figure]:
    figures: list[Figure] = []
    with running(folder) as installation:
        isolated(installation, SLOW.format(name="slow"), "run")
        for listeners in LISTENERS:
            figures += _heard_by(installation, listeners)
        return [*figures, *_million(installation)]


def _heard_by(installation: Installation, listeners: int) -> list[Figure]:
    own, began = time.process_time(), time.perf_counter()
    with processor_time(installation) as spent, ThreadPoolExecutor(listeners) as threads:
        run = begin(installation, "slow", lines=LINES, pause=PAUSE)
        heard = list(threads.map(lambda _: _listen(installation, run), range(listeners)))
    spent["the listeners, one process"] = time.process_time() - own
    bound = Profile("processor time", time.perf_counter() - began, spent).sentence
    lost = sum(LINES - each.lines for each in heard)
    delays = [delay for each in heard for delay in each.delays]
    p50, p95 = milliseconds(percentile(delays, 50)), milliseconds(percentile(delays, 95))
    name = f"print → line in the socket, {listeners} listening"
    return [
        Figure("logs", f"{name}, p50", p50, "ms"),
        Figure("logs", f"{name}, p95", p95, "ms", target=150, bound=bound),
        Figure("logs", f"{name}: lines lost", lost, "lines", target=0, bound=LOST),
        Figure("logs", f"{name}: until the last socket is open", milliseconds(max(each.opening for each in heard)), "ms"),
    ]


def _million(installation: Installation) -> list[Figure]:
    """What is stored of each run is compared with what it printed: every line, once, in its order."""
    isolated(installation, TALKER, "run")
    with ThreadPoolExecutor(AT_ONCE) as clients:
        runs = list(clients.map(lambda _: _talk(installation), range(RUNS)))
    said = "".join(f"line {number}\n" for number in range(LINES_EACH))
    digest = hashlib.md5(said.encode(), usedforsecurity=False).hexdigest()
    stored = [installation.rows(STORED, run)[0] for run in runs]
    lost = sum(LINES_EACH - lines for lines, _ in stored)
    different = sum(found != digest for _, found in stored)
    ((seconds,),) = installation.rows(SPAN, runs)
    name = f"{RUNS * LINES_EACH} lines of {RUNS} runs, {AT_ONCE} at once"
    return [
        Figure("logs", f"{name}: stored", round(RUNS * LINES_EACH / seconds), "lines/s"),
        Figure("logs", f"{name}: lines lost", lost, "lines", target=0, bound=LOST),
        Figure("logs", f"{name}: runs whose text differs from what they printed", different, "runs", target=0, bound=LOST),
    ]


def _talk(installation: Installation) -> str:
    body = {"arguments": {"lines": LINES_EACH}}
    run = checked(installation.api("developer").post("/functions/talker/runs?wait=60", json=body, timeout=120))
    assert run["state"] == "succeeded", run
    return str(run["id"])


def _listen(installation: Installation, run: str) -> Heard:
    """Each line says when it was printed: box and host share one clock. What was printed before the socket was open is sent
    first, and counts as heard, not as delayed.
    """
    cookies = "; ".join(f"{name}={value}" for name, value in installation.session("developer").cookies.items())
    address = f"ws://127.0.0.1:{installation.port}/ws/w/acme/runs/{run}"
    lines, delays, began = 0, [], time.time()
    with connect(address, additional_headers={"Cookie": cookies}, origin=Origin(installation.url), open_timeout=30) as socket:
        opened = time.time()
        try:
            while True:
                frame = json.loads(socket.recv(60))
                now = time.time()
                texts = [piece["text"] for piece in frame["lines"]]
                printed = [float(at) for text in texts for at in re.findall(r" at ([0-9.]+)", text)]
                lines += len(printed)
                delays += [now - at for at in printed if at >= opened]
        except ConnectionClosed:
            return Heard(opened - began, lines, delays)
