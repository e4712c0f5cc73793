"""What every driver's boxes do alike: the fake one is fit for other tests because it passes this too."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import (
    ArtifactData,
    ArtifactEnded,
    ArtifactSkipped,
    BoxSpent,
    Driver,
    HostRequest,
    InputFile,
    InvalidJob,
    Job,
    Kind,
    Limits,
    Log,
    Output,
    Progress,
    RequestRefused,
    Source,
    SpanEnded,
    SpansDropped,
    SpanStarted,
)

Run = Callable[..., Any]


def test_a_function_is_called_with_its_arguments_and_returns_json(run: Run) -> None:
    told = run("def main(a, b=2):\n    return {'sum': a + b, 'seen': {a, b}}", arguments={"a": 1})
    assert told.outcome.kind is Kind.OK
    assert told.outcome.result == {"sum": 3, "seen": [1, 2]}
    assert told.outcome.started
    assert told.outcome.seconds > 0


def test_a_coroutine_is_awaited(run: Run) -> None:
    told = run("import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    return 'awaited'")
    assert told.outcome.result == "awaited"


def test_output_of_both_streams_arrives_as_it_was_written(run: Run) -> None:
    told = run(
        """
        import os, sys
        def main():
            print("out", "\\u00e9")
            print("err", file=sys.stderr)
            os.write(1, b"\\xff\\x00\\x1b[2J")
        """
    )
    outputs = {"stdout": b"", "stderr": b""}
    for event in told.of(Output):
        outputs[event.stream] += event.data
    assert outputs == {"stdout": "out é\n".encode() + b"\xff\x00\x1b[2J", "stderr": b"err\n"}


def test_a_printed_line_arrives_while_the_tool_still_runs(driver: Driver, make_job: Callable[..., Job]) -> None:
    heard = threading.Event()

    def on_event(event: Any) -> None:
        if getattr(event, "data", b"") == b"first line\n":
            heard.set()

    with driver.start() as box:
        job = make_job("import time\ndef main():\n    print('first line')\n    time.sleep(60)")
        outcome = box.run(job, on_event=on_event, cancelled=heard.is_set)
    assert outcome.kind is Kind.KILLED
    assert outcome.seconds < 15


def test_an_error_names_function_line_and_shows_only_the_tools_own_code(driver: Driver) -> None:
    parse = Source("billing.parse", "import json\n\ndef parse(text):\n    return json.loads(text)\n", "parse")
    main = Source("main", "def main():\n    return parse('{')\n", "main", ("billing.parse",))
    with driver.start() as box:
        outcome = box.run(Job((parse, main)), on_event=lambda event: None)
    assert outcome.kind is Kind.ERROR
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.function, outcome.error.line) == ("JSONDecodeError", "billing.parse", 4)
    assert "return parse('{')" in outcome.error.traceback
    assert "return json.loads(text)" in outcome.error.traceback
    assert "decoder.py" not in outcome.error.traceback
    assert "runner" not in outcome.error.traceback


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("def main(:\n    pass", "SyntaxError", 1),
        ("x = 1\n\nraise RuntimeError('at load')\n", "RuntimeError", 3),
        ("def other():\n    pass", "EntryMissing", None),
        ("def main():\n    import not_there_at_all", "ModuleNotFoundError", 2),
        ("def main():\n    return object()", "NotJson", None),
        ("def main():\n    raise SystemExit(0)", "SystemExit", 2),
        ("class Odd(Exception):\n    def __str__(self): raise ValueError\ndef main():\n    raise Odd", "Odd", 4),
        ("def main():\n    a = '\\x00'\n    exec(a)", "SyntaxError", None),
    ],
)
def test_every_way_to_fail_is_an_error_with_its_type_and_line(run: Run, text: str, kind: str, line: int | None) -> None:
    outcome = run(text).outcome
    assert outcome.kind is Kind.ERROR
    assert outcome.error.type == kind
    if line is not None:
        assert outcome.error.line == line


def test_every_call_of_a_dependency_is_a_span_under_its_caller(driver: Driver) -> None:
    leaf = Source("leaf", "def leaf(x):\n    if x > 1:\n        raise ValueError('too much')\n    return x\n", "leaf")
    middle = Source("middle", "async def middle(x):\n    return leaf(x)\n", "middle", ("leaf",))
    main = Source(
        "main",
        "async def main():\n    await middle(1)\n    try:\n        await middle(2)\n"
        "    except ValueError:\n        return 'caught'\n",
        "main",
        ("middle",),
    )
    events: list[Any] = []
    with driver.start() as box:
        assert box.run(Job((leaf, middle, main)), on_event=events.append).result == "caught"
    started = {event.id: event for event in events if isinstance(event, SpanStarted)}
    ended = {event.id: event for event in events if isinstance(event, SpanEnded)}
    tree = [(event.function, started[event.parent].function if event.parent else None) for event in started.values()]
    assert tree == [("main", None), ("middle", "main"), ("leaf", "middle"), ("middle", "main"), ("leaf", "middle")]
    assert started.keys() == ended.keys()
    failed = [event for event in ended.values() if event.error]
    assert [(event.function, event.line, event.error) for event in failed] == [
        ("leaf", 3, "ValueError: too much"),
        ("middle", 2, "ValueError: too much"),
    ]


def test_more_calls_than_the_limit_leave_one_mark(driver: Driver) -> None:
    leaf = Source("leaf", "def leaf(x):\n    return 'y' * x\n", "leaf")
    main = Source("main", "def main():\n    return sum(len(leaf(n)) for n in range(50))\n", "main", ("leaf",))
    events: list[Any] = []
    with driver.start() as box:
        outcome = box.run(Job((leaf, main), limits=Limits(spans=10)), on_event=events.append)
    assert outcome.result == sum(range(50))
    assert sum(isinstance(event, SpanStarted) for event in events) == 10
    assert sum(isinstance(event, SpansDropped) for event in events) == 1


def test_a_declared_dependency_is_called_here_and_the_host_is_asked_for_any_other(driver: Driver) -> None:
    other = Source("pack.other", "def other():\n    return 1\n", "other")
    known = Source("pack.known", "def known(x):\n    return x\n", "known")
    text = "import func\ndef main():\n    assert func.call('pack.known', x=7) == known(7) == 7\n    func.call('pack.other')\n"
    with driver.start() as box:
        outcome = box.run(Job((other, known, Source("main", text, "main", ("pack.known",)))), on_event=lambda event: None)
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("HostRefused", "This run may not ask its host for 'runs.call'.")


def test_a_source_named_like_a_module_does_not_hide_it(driver: Driver) -> None:
    helper = Source("json", "def json():\n    return 'mine'\n", "json")
    main = Source("main", "def main():\n    import json as library\n    return [json(), library.dumps([1])]\n", "main", ("json",))
    with driver.start() as box:
        assert box.run(Job((helper, main)), on_event=lambda event: None).result == ["mine", "[1]"]


def test_dataclasses_with_postponed_annotations_work(run: Run) -> None:
    text = (
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\n"
        "def main():\n    return P(1)"
    )
    assert run(text).outcome.result == {"x": 1}


def test_input_files_are_there_and_artifacts_come_back(run: Run, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"0123456789" * 30_000)
    told = run(
        """
        import func, pathlib
        def main():
            func.save_artifact("reports/one.txt", func.read_input("small") * 2)
            pathlib.Path("artifacts/two.bin").write_bytes((func.inputs / "big").read_bytes())
            return sorted(p.name for p in pathlib.Path("inputs").iterdir())
        """,
        files=(InputFile("small", b"abc"), InputFile("empty", b""), InputFile("big", tmp_path / "big")),
    )
    assert told.outcome.result == ["big", "empty", "small"]
    assert [(event.name, event.size) for event in told.of(ArtifactEnded)] == [("reports/one.txt", 6), ("two.bin", 300_000)]
    assert b"".join(event.data for event in told.of(ArtifactData)) == b"abcabc" + b"0123456789" * 30_000


def test_artifacts_over_the_limits_and_links_are_left_and_named(run: Run) -> None:
    told = run(
        """
        import os, pathlib
        def main():
            os.symlink("/etc/passwd", "artifacts/link")
            os.mkfifo("artifacts/pipe")
            with open("artifacts/sparse", "wb") as file:
                file.truncate(60 << 20)
            for name in ("1", "2", "3"):
                pathlib.Path("artifacts", name).write_text(name)
            pathlib.Path("artifacts", "bad\\nname").write_text("x")
            open(b"artifacts/\\xff\\xfe", "w").close()
        """,
        limits=Limits(artifact_files=2, artifact_bytes=1000, wall_seconds=20),
    )
    assert told.outcome.ok
    assert [event.name for event in told.of(ArtifactEnded)] == ["1", "2"]
    assert len(told.of(ArtifactSkipped)) == 6


def test_progress_and_log_lines_are_told(run: Run) -> None:
    told = run("def main():\n    func.progress(0.5, 'half way')\n    func.progress(7)\n    func.log('a', 1, level='warning')")
    assert told.of(Progress) == [Progress(0.5, "half way"), Progress(1.0, "")]
    assert told.of(Log) == [Log("warning", "a 1")]


def test_the_tool_may_ask_its_host_and_gets_answer_or_refusal(run: Run) -> None:
    asked: list[HostRequest] = []

    def answer(request: HostRequest) -> object:
        asked.append(request)
        if request.verb == "state.get":
            return {"value": [1, 2]}
        raise RequestRefused("this run was not granted that")

    told = run(
        """
        import func
        def main():
            value = func.ask_host("state.get", key="k")
            try:
                func.ask_host("secrets.open", name="KEY")
            except Exception as error:
                return [value, str(error)]
        """,
        on_request=answer,
    )
    assert told.outcome.result == [{"value": [1, 2]}, "this run was not granted that"]
    assert asked == [HostRequest("state.get", {"key": "k"}), HostRequest("secrets.open", {"name": "KEY"})]


def test_several_questions_may_wait_for_their_answers_at_once(run: Run) -> None:
    """Answered in the reverse order of asking, which is possible only when all were asked before the first was answered."""
    last_first = [threading.Event() for _ in range(4)]
    last_first[-1].set()

    def answer(request: HostRequest) -> object:
        number = request.payload["arguments"]["n"]
        assert last_first[number].wait(30)
        if number:
            last_first[number - 1].set()
        return {"run": "r", "state": "succeeded", "result": number * 10, "message": "", "is_shown": True}

    text = "import func\ndef main():\n    return func.map('other', [{'n': n} for n in range(4)], parallel=4)\n"
    told = run(text, on_request=answer)
    assert told.outcome.result == [0, 10, 20, 30]
    assert [span.result_preview for span in told.of(SpanEnded) if span.function == "other"] == ["0", "10", "20", "30"]


def shown(events: list[Any]) -> dict[str, tuple[str, str | None]]:
    """Function → what the call tree shows of its arguments and of its result."""
    found = {event.function: (event.arguments_preview, event.result_preview) for event in events if isinstance(event, SpanEnded)}
    started = {event.function: event.arguments_preview for event in events if isinstance(event, SpanStarted)}
    return {name: (started[name] or found[name][0] or "", found[name][1]) for name in found}


def test_of_a_discreet_function_and_of_what_it_calls_neither_arguments_nor_results_are_told(driver: Driver) -> None:
    leaf = Source("leaf", "def leaf(x):\n    return x\n", "leaf")
    threaded = Source("threaded", "def threaded(x):\n    return x\n", "threaded")
    quiet_text = """
import threading
def quiet(x):
    thread = threading.Thread(target=threaded, args=(x,))
    thread.start()
    thread.join()
    return leaf(x)
"""
    quiet = Source("quiet", quiet_text, "quiet", ("leaf", "threaded"), is_discreet=True)
    main = Source("main", "def main(n):\n    quiet('Zyx')\n    return n\n", "main", ("quiet",))
    events: list[Any] = []
    with driver.start() as box:
        outcome = box.run(Job((leaf, threaded, quiet, main), {"n": 4}), on_event=events.append)
    assert outcome.result == 4
    nothing = ("", None)
    assert shown(events) == {"main": ("n=4", "4"), "quiet": nothing, "leaf": nothing, "threaded": nothing}


@pytest.mark.parametrize(
    ("answer", "told_of"),
    [({"is_shown": True}, ("x='Zyx'", "'Zyx'")), ({"is_shown": False}, ("", None)), ({}, ("", None))],
)
def test_what_is_shown_of_a_call_of_another_run_is_the_host_s_word(
    run: Run, answer: dict[str, bool], told_of: tuple[str, str | None]
) -> None:
    result = {"run": "r", "state": "succeeded", "result": "Zyx", "message": "", **answer}
    text = "import func\ndef main():\n    return len(func.call('other', x='Zyx'))\n"
    told = run(text, on_request=lambda request: result)
    assert told.outcome.result == 3
    assert shown(told.events)["other"] == told_of


def test_a_tool_that_prints_much_while_large_answers_come_does_not_get_stuck(run: Run) -> None:
    """Both sides' pipes are full at the same time."""
    answer = {"run": "r", "state": "succeeded", "result": "y" * 500_000, "message": ""}
    text = """
        import func
        def main():
            calls = [func.call_async('other') for _ in range(8)]
            for _ in range(500):
                print('x' * 1000)
            return sum(len(call.result()) for call in calls)
        """
    assert run(text, on_request=lambda request: answer).outcome.result == 8 * 500_000


def test_a_fault_of_the_host_in_an_answer_is_raised_to_the_caller(run: Run) -> None:
    def answer(request: HostRequest) -> object:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run("import func\ndef main():\n    func.ask_host('anything')", on_request=answer)


def test_secrets_are_in_the_environment_of_the_tool_and_nothing_of_the_host_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_ONLY", "1")
    told = run("import os\ndef main():\n    return [os.environ['KEY'], 'HOST_ONLY' in os.environ]", secrets={"KEY": "value"})
    assert told.outcome.result == ["value", False]


def test_an_environment_that_appears_after_the_box_started_is_importable(driver: Driver, make_job: Callable[..., Job]) -> None:
    digest = "a" * 64
    with driver.start() as box:
        package = driver.environments / digest  # type: ignore[attr-defined]
        package.mkdir(parents=True)
        (package / "there.py").write_text("VALUE = 42\n")
        (package / "evil.pth").write_text("import os; os._exit(9)\n")
        outcome = box.run(
            make_job("import there\ndef main():\n    return there.VALUE", environment=digest), on_event=lambda event: None
        )
    assert outcome.result == 42


def test_a_missing_environment_is_said(run: Run) -> None:
    outcome = run("def main():\n    pass", environment="b" * 64).outcome
    assert outcome.error.type == "EnvironmentMissing"


def test_wall_time_is_the_hosts(run: Run) -> None:
    outcome = run("def main():\n    while True: pass", limits=Limits(wall_seconds=1)).outcome
    assert outcome.kind is Kind.TIMEOUT
    assert 1 <= outcome.seconds < 3


def test_processor_time_runs_out_too(run: Run) -> None:
    outcome = run("def main():\n    while True: pass", limits=Limits(cpu_seconds=1, wall_seconds=20)).outcome
    assert outcome.kind is Kind.TIMEOUT
    assert "processor" in outcome.message


def test_a_cancelled_job_is_killed(driver: Driver, make_job: Callable[..., Job]) -> None:
    with driver.start() as box:
        began = time.monotonic()
        outcome = box.run(
            make_job("import time\ndef main():\n    time.sleep(60)"),
            on_event=lambda event: None,
            cancelled=lambda: time.monotonic() > began + 0.5,
        )
    assert outcome.kind is Kind.KILLED
    assert outcome.seconds < 5


def test_a_flood_of_output_is_cut_at_its_limit(run: Run) -> None:
    told = run("def main():\n    while True: print('x' * 1000)", limits=Limits(output_bytes=100_000, wall_seconds=20))
    assert told.outcome.kind is Kind.OUTPUT
    assert len(told.stdout) == 100_000


def test_a_result_over_its_limit_is_named(run: Run) -> None:
    outcome = run("def main():\n    return 'x' * 5000", limits=Limits(result_bytes=1000, wall_seconds=20)).outcome
    assert outcome.kind is Kind.OUTPUT
    assert "artifact" in outcome.message


@pytest.mark.parametrize(
    "ending", ["os._exit(0)", "os._exit(137)", "os.kill(os.getpid(), 9)", "os.abort()"], ids=["exit0", "exit137", "kill", "abort"]
)
def test_a_process_that_ends_before_it_returned_is_an_error(run: Run, ending: str) -> None:
    outcome = run(f"import os\ndef main():\n    {ending}").outcome
    assert outcome.kind is Kind.ERROR
    assert outcome.result is None


def test_a_forked_copy_that_returns_does_not_speak_for_the_tool(run: Run) -> None:
    told = run(
        """
        import os, time
        def main():
            child = os.fork()
            if child == 0:
                return "the copy's"
            os.waitpid(child, 0)
            return "the tool's"
        """
    )
    assert told.outcome.result == "the tool's"


def test_a_callback_that_fails_ends_the_box_and_is_raised(driver: Driver, make_job: Callable[..., Job]) -> None:
    def on_event(event: object) -> None:
        raise LookupError

    with driver.start() as box, pytest.raises(LookupError):
        box.run(make_job("def main():\n    print(1)\n    while True: pass"), on_event=on_event)


def test_a_waiting_box_answers_and_then_does_its_job(driver: Driver, make_job: Callable[..., Job]) -> None:
    with driver.start() as box:
        assert box.ping()
        assert box.ping()
        assert box.run(make_job("def main():\n    return 1"), on_event=lambda event: None).result == 1


def test_a_frozen_box_is_silent(driver: Driver) -> None:
    with driver.start() as box:
        assert box.freeze()
        assert not box.ping(seconds=0.1)


def test_a_box_does_one_job(driver: Driver, make_job: Callable[..., Job]) -> None:
    job = make_job("def main():\n    return 1")
    with driver.start() as box:
        assert box.run(job, on_event=lambda event: None).ok
        with pytest.raises(BoxSpent):
            box.run(job, on_event=lambda event: None)


def test_a_frozen_box_runs_its_job_and_can_be_destroyed(driver: Driver, make_job: Callable[..., Job]) -> None:
    with driver.start() as box, driver.start() as other:
        other.freeze()
        box.freeze()
        assert box.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok


def test_destroying_twice_is_fine_and_leaves_no_folder(driver: Driver, home: Path) -> None:
    box = driver.start()
    box.destroy()
    box.destroy()
    assert list((home / "boxes").iterdir()) == []


def test_a_box_that_is_gone_before_its_job_has_started_nothing(driver: Driver, make_job: Callable[..., Job]) -> None:
    with driver.start() as box:
        box._vessel.kill()
        while box.ping():
            pass
        outcome = box.run(make_job("def main():\n    return 1"), on_event=lambda event: None)
    assert outcome.kind is Kind.INFRA
    assert not outcome.started


def test_a_job_larger_than_its_box_is_refused(driver: Driver, make_job: Callable[..., Job]) -> None:
    with driver.start() as box, pytest.raises(InvalidJob):
        box.run(make_job("", limits=Limits(memory_bytes=1 << 30)), on_event=lambda event: None)


def test_a_sweep_takes_what_nobody_vouches_for(driver: Driver) -> None:
    mine, lost = driver.start(labels={"worker": "me"}), driver.start(labels={"worker": "lost"})
    mine.claim({"run": "7"})
    seen: list[dict[str, str]] = []

    def is_live(labels: Any) -> bool:
        seen.append(dict(labels))
        return bool(labels["worker"] == "me")

    assert driver.sweep(is_live) == [lost.id]
    assert {"worker": "me", "run": "7"}.items() <= next(labels for labels in seen if labels["worker"] == "me").items()
    mine.destroy()
    lost.destroy()
    assert driver.sweep(lambda labels: False) == []


def test_a_refusal_that_repeats_a_megabyte_of_the_tools_words_is_the_tools_error_and_costs_no_box(run: Run) -> None:
    def refuse(request: HostRequest) -> object:
        raise RequestRefused(f"Nothing here answers to {request.verb!r}.")

    told = run("import func\ndef main():\n    func.ask_host(chr(127) * 1_000_000)", on_request=refuse)
    assert told.outcome.kind is Kind.ERROR
    assert told.outcome.error is not None
    assert told.outcome.error.type == "HostRefused"
