"""Each limit is held, its end names it, and what was used is told: by every driver, and in gVisor what only that can hold."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import ArtifactSkipped, Driver, Job, Kind, Limits, Log, Output, OutputCut, RequestRefused, Source

Run = Callable[..., Any]
MIB = 1 << 20
# A callback leads back to where it came from: the only way round a closure that has no circles.
BACK = "def back(again, n):\n    return again(n)\n"
DOWN = "def main():\n    def again(n):\n        return n if n == 0 else back(again, n - 1)\n    return again(30)\n"


def test_calls_deeper_than_the_limit_end_with_its_name(driver: Driver) -> None:
    back, main = Source("back", BACK, "back"), Source("main", DOWN, "main", ("back",))
    outcomes = {}
    for depth in (20, 31):
        with driver.start() as box:
            outcomes[depth] = box.run(Job((back, main), limits=Limits(call_depth=depth)), on_event=lambda event: None)
    assert outcomes[31].ok
    assert (outcomes[20].kind, outcomes[20].limit) == (Kind.DEPTH, "call_depth")
    assert "more than 20 deep" in outcomes[20].message
    assert "back would be called 21 functions deep" in outcomes[20].error.message


def test_too_many_open_files_are_named_with_their_line(run: Run) -> None:
    text = "def main():\n    held = []\n    while True:\n        held.append(open('/dev/null'))\n"
    outcome = run(text, limits=Limits(open_files=40, wall_seconds=20)).outcome
    assert (outcome.kind, outcome.limit, outcome.error.line) == (Kind.FILES, "open_files", 4)
    assert "40 files open" in outcome.message


@pytest.mark.parametrize(("times", "ok"), [(10, True), (15, True), (30, False)])
def test_output_over_the_limit_is_marked_once_and_at_twice_as_much_the_run_ends(run: Run, times: int, ok: bool) -> None:
    text = f"def main():\n    for n in range({times}):\n        print('x' * 999)\n    return 'done'\n"
    told = run(text, limits=Limits(output_bytes=10_000, wall_seconds=20))
    assert told.outcome.ok == ok, told.outcome
    assert len(told.stdout) == 10_000
    assert told.of(OutputCut) == ([OutputCut(10_000)] if times > 10 else [])
    assert told.outcome.used["output_bytes"] == 1000 * times if ok else told.outcome.limit == "output_bytes"


def test_lines_by_func_log_are_output_too(run: Run) -> None:
    text = "def main():\n    for n in range(15):\n        func.log('x' * 500)\n"
    told = run(text, limits=Limits(output_bytes=5_000, wall_seconds=20))
    assert told.outcome.ok
    assert (len(told.of(Log)), told.of(OutputCut)) == (10, [OutputCut(5_000)])


def test_asking_the_host_too_often_names_the_limit(run: Run) -> None:
    def refuse(request: object) -> object:
        raise RequestRefused("no")

    text = "def main():\n    while True:\n        try: func.ask_host('x')\n        except Exception: pass\n"
    outcome = run(text, on_request=refuse, limits=Limits(requests=5, wall_seconds=20)).outcome
    assert (outcome.kind, outcome.limit) == (Kind.REQUESTS, "requests")


def test_files_that_are_not_kept_are_told_with_the_limit_and_the_run_goes_on(run: Run) -> None:
    text = "def main():\n    for n in range(4):\n        func.save_artifact(f'{n}', 'x' * 40 * (n + 1))\n"
    told = run(text, limits=Limits(artifact_files=2, artifact_bytes=100, wall_seconds=20))
    reasons = [event.reason for event in told.of(ArtifactSkipped)]
    assert told.outcome.ok
    assert "3 files were not kept" in told.outcome.message
    assert "it has 80 bytes, and of 100 (limit “Size of files kept”) 60 are left" in reasons[0]
    told = run(text, limits=Limits(artifact_files=2, wall_seconds=20))
    assert [event.reason for event in told.of(ArtifactSkipped)] == [
        "a run of this function may keep 2 files (limit “Files kept”)"
    ] * 2
    assert (told.outcome.used["artifact_files"], told.outcome.used["artifact_bytes"]) == (2, 120)


def test_what_was_used_is_told_as_the_host_counted_it(run: Run) -> None:
    told = run("def main():\n    print('hello')\n    return [1, 2]\n")
    used = told.outcome.used
    assert (used["output_bytes"], used["result_bytes"], used["spans"], used["requests"]) == (6, 5, 1, 0)
    assert 0 < used["wall_seconds"] < 20
    assert used["wall_seconds"] == round(told.outcome.seconds, 3)


GROUPS = """
def main():
    error = ValueError("innermost")
    for n in range(20_000):
        error = ExceptionGroup("level", [error])
    raise ExceptionGroup("wide", [error] * 20_000)
"""
RESISTING = """
class Odd(Exception):
    def __getattribute__(self, name): raise SystemExit
    def __str__(self): raise KeyboardInterrupt
    __class__ = property(lambda self: 1 / 0)
def main():
    raise Odd
"""


@pytest.mark.parametrize(("text", "name"), [(GROUPS, "ExceptionGroup"), (RESISTING, "Odd")], ids=["groups", "resisting"])
def test_an_error_that_cannot_be_described_in_full_arrives_all_the_same(run: Run, text: str, name: str) -> None:
    outcome = run(text).outcome
    assert (outcome.kind, outcome.limit, outcome.error.type) == (Kind.ERROR, None, name)


@pytest.mark.gvisor
def test_memory_and_processor_time_are_counted_for_the_whole_box(run_boxed: Run) -> None:
    text = "def main():\n    held = b'x' * (100 << 20)\n    return sum(range(10_000_000)) and len(held)\n"
    used = run_boxed(text).outcome.used
    assert 100 * MIB < used["memory_bytes"] <= 256 * MIB
    assert 0.05 < used["cpu_seconds"] < 20


@pytest.mark.gvisor
def test_feigning_the_end_of_processor_time_is_not_believed(run_boxed: Run) -> None:
    text = "import os, signal\ndef main():\n    os.kill(os.getpid(), signal.SIGXCPU)\n"
    outcome = run_boxed(text).outcome
    assert (outcome.kind, outcome.limit) == (Kind.ERROR, None)
    assert "SIGXCPU" in outcome.message


@pytest.mark.gvisor
def test_children_do_not_multiply_the_processor_time(run_boxed: Run) -> None:
    text = (
        "import os\ndef main():\n    for n in range(6):\n        if os.fork() == 0:\n            while True: pass\n"
        "    import time\n    time.sleep(60)\n"
    )
    outcome = run_boxed(text, limits=Limits(cpu_seconds=3, wall_seconds=60)).outcome
    assert (outcome.kind, outcome.limit) == (Kind.TIMEOUT, "cpu_seconds")
    assert outcome.seconds < 40


@pytest.mark.gvisor
def test_more_cores_than_the_host_has_are_as_many_as_it_has(run_boxed: Run) -> None:
    told = run_boxed("def main():\n    print('ran')\n", limits=Limits(cores=8, wall_seconds=20))
    assert told.outcome.ok
    assert [event.data for event in told.of(Output)] == [b"ran\n"]
