"""The sandbox alone: from handing a job in to its outcome, warm and kept, beside the engine's own cold start."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import NOT_PROFILED, Figure, milliseconds, percentile
from sandbox import Box, DockerDriver, Job, Pool, PoolLimits, Source
from tests.sandbox.conftest import IMAGE

SAMPLES, COLD_SAMPLES, SUSTAINED, BURST = 200, 20, 60, 100
REMOVAL_SECONDS = 0.25  # of the box before, in the background: what one run costs is wanted here, not what two do
LINE = 'def main():\n    print("one line")\n    return 1\n'
JOB = Job(sources=(Source("main", LINE, "main"),))
# By timing each call of a sample: 21 of 30 ms from the job's first byte to the runner's last word, thaw 1.6, ping 1.5, claim 0.8.
IN_GVISOR = "two thirds pass inside the box, in gVisor, between the job and its last word"
type Take = Callable[[], AbstractContextManager[Box]]


def measure() -> list[Figure]:
    with TemporaryDirectory(prefix="selfsmith-bench-", dir="/var/tmp") as folder:
        home = Path(folder)
        driver = DockerDriver(
            image=IMAGE, runtime="runsc", home=home / "boxes", environments=home / "environments", installation=home.name
        )
        try:
            return [*_latency(driver), *_throughput(driver), *_burst(driver)]
        finally:
            driver.sweep(lambda labels: False)


def _latency(driver: DockerDriver) -> list[Figure]:
    """The pool is full before each sample, so that a sample costs no refill of another."""
    cold = {runtime: sorted(_cold(runtime) for _ in range(COLD_SAMPLES)) for runtime in ("runsc", "runc")}
    median = {runtime: milliseconds(percentile(seconds, 50)) for runtime, seconds in cold.items()}
    with Pool(driver, limits=PoolLimits(minimum=2, maximum=2)) as pool:
        warm = []
        for _ in range(SAMPLES):
            assert pool.wait_until_warm(30)
            time.sleep(REMOVAL_SECONDS)
            warm.append(_seconds(pool.take))
    p50, p95 = milliseconds(percentile(warm, 50)), milliseconds(percentile(warm, 95))
    return [
        Figure(
            "boxes",
            "warm box, a box per job: submit → result, p50",
            p50,
            "ms",
            "docker run, runsc",
            median["runsc"],
            15,
            IN_GVISOR,
        ),
        Figure("boxes", "the same, p95", p95, "ms", target=40, bound=IN_GVISOR),
        Figure(
            "boxes",
            "the same beside a cold start in gVisor",
            round(median["runsc"] / p50, 1),
            "times",
            target=20,
            bound=IN_GVISOR,
        ),
        Figure("boxes", "docker run of the same line, runc, p50", median["runc"], "ms"),
    ]


def _seconds(take: Take) -> float:
    began = time.perf_counter()
    with take() as box:
        outcome = box.run(JOB, on_event=lambda event: None)
        seconds = time.perf_counter() - began
    assert outcome.ok, outcome.message
    return seconds


def _cold(runtime: str) -> float:
    command = ["docker", "run", "--rm", f"--runtime={runtime}", "--network=none", "--read-only", IMAGE]
    began = time.perf_counter()
    subprocess.run([*command, "python3", "-c", 'print("one line")'], check=True, capture_output=True)
    return time.perf_counter() - began


def _throughput(driver: DockerDriver) -> list[Figure]:
    """Box after box, as fast as they can be had."""
    with Pool(driver) as pool, ThreadPoolExecutor(4) as takers:
        assert pool.wait_until_warm(60)
        began = time.perf_counter()
        list(takers.map(lambda _: _seconds(pool.take), range(SUSTAINED)))
        rate = SUSTAINED / (time.perf_counter() - began)
    return [
        Figure(
            "boxes", f"{SUSTAINED} jobs without a pause, a box each", round(rate, 2), "boxes/s", target=3.5, bound=NOT_PROFILED
        )
    ]


def _burst(driver: DockerDriver) -> list[Figure]:
    """As many as a burst may need, all waiting, then all at once."""
    with Pool(driver, limits=PoolLimits(minimum=BURST, maximum=BURST)) as pool:
        assert pool.wait_until_warm(180), f"{BURST} boxes could not be had"
        with ThreadPoolExecutor(8) as takers:
            seconds = list(takers.map(lambda _: _seconds(pool.take), range(BURST)))
    return [
        Figure("boxes", f"a burst of {BURST} waiting boxes, 8 at once: p95 of a job", milliseconds(percentile(seconds, 95)), "ms")
    ]
