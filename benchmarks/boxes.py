"""The sandbox alone: from handing a job in to its outcome, warm and kept, beside the engine's own cold start."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, milliseconds, percentile
from benchmarks.installations import driver_in
from benchmarks.processor import CORES, busy_seconds
from benchmarks.profile import stages_of_a_job
from sandbox import Box, DockerDriver, Job, Pool, PoolLimits, Source
from tests.sandbox.conftest import IMAGE

SAMPLES, PROFILED, COLD_SAMPLES, SUSTAINED, BURST = 200, 40, 20, 60, 100
REMOVAL_SECONDS = 0.25  # of the box before, in the background: what one run costs is wanted here, not what two do
LINE = 'def main():\n    print("one line")\n    return 1\n'
JOB = Job(sources=(Source("main", LINE, "main"),))
type Take = Callable[[], AbstractContextManager[Box]]


def measure() -> list[Figure]:
    with TemporaryDirectory(prefix="selfsmith-bench-", dir="/var/tmp") as folder:
        driver = driver_in(Path(folder))
        try:
            return [*_latency(driver), *_throughput(driver), *_burst(driver)]
        finally:
            driver.sweep(lambda labels: False)


def _latency(driver: DockerDriver) -> list[Figure]:
    """The pool is full before each sample, so that a sample costs no refill of another."""
    cold = {runtime: [_cold(runtime) for _ in range(COLD_SAMPLES)] for runtime in ("runsc", "runc")}
    median = {runtime: milliseconds(percentile(seconds, 50)) for runtime, seconds in cold.items()}
    with Pool(driver, limits=PoolLimits(minimum=2, maximum=2)) as pool:
        warm = []
        for _ in range(SAMPLES):
            assert pool.wait_until_warm(30)
            time.sleep(REMOVAL_SECONDS)
            warm.append(_seconds(pool.take))
        stages = stages_of_a_job(pool, JOB, samples=PROFILED, pause=REMOVAL_SECONDS)
    p50, p95 = milliseconds(percentile(warm, 50)), milliseconds(percentile(warm, 95))
    name, times = "warm box, a box per job: submit → result, p50", round(median["runsc"] / p50, 1)
    return [
        Figure("boxes", name, p50, "ms", "docker run, runsc", median["runsc"], 15, stages.sentence),
        Figure("boxes", "the same, p95", p95, "ms", target=40, bound=stages.sentence),
        Figure("boxes", "the same beside a cold start in gVisor", times, "times", target=20, bound=stages.sentence),
        Figure("boxes", "docker run of the same line, runc, p50", median["runc"], "ms"),
        *stages.figures("boxes", "a job in a warm box"),
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
        began, before = time.perf_counter(), busy_seconds()
        list(takers.map(lambda _: _seconds(pool.take), range(SUSTAINED)))
        seconds, busy = time.perf_counter() - began, busy_seconds() - before
    rate, bound = round(SUSTAINED / seconds, 2), _processor_per_box(busy, seconds)
    return [Figure("boxes", f"{SUSTAINED} jobs without a pause, a box each", rate, "boxes/s", target=3.5, bound=bound)]


def _processor_per_box(busy: float, seconds: float) -> str:
    share = 100 * busy / seconds / CORES
    return (
        f"{busy / SUSTAINED:.2f} s of processor a box, engine and gVisor included; {CORES} cores busy {share:.0f} % of the time"
    )


def _burst(driver: DockerDriver) -> list[Figure]:
    """As many as a burst may need, all waiting, then all at once."""
    with Pool(driver, limits=PoolLimits(minimum=BURST, maximum=BURST)) as pool:
        assert pool.wait_until_warm(180), f"{BURST} boxes could not be had"
        with ThreadPoolExecutor(8) as takers:
            seconds = list(takers.map(lambda _: _seconds(pool.take), range(BURST)))
    return [
        Figure("boxes", f"a burst of {BURST} waiting boxes, 8 at once: p95 of a job", milliseconds(percentile(seconds, 95)), "ms")
    ]
