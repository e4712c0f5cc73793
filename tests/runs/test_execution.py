"""A hand-written function runs in gVisor, and what it said and made is stored."""

import pytest

from apps.core import blobs
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import Isolation
from apps.runs import boxes
from apps.runs.models import Artifact, LogChunk, Span
from apps.runs.services import find_run
from apps.runs.work import perform_next_run
from tests.runs.conftest import begin, write
from tests.waiting import wait_for

pytestmark = pytest.mark.gvisor


def log_of(cast, run) -> str:
    with scope(cast.acme.pk):
        return "".join(LogChunk.objects.filter(run=run).order_by("seq").values_list("text", flat=True))


def test_a_function_runs_in_gvisor_and_its_result_is_stored(cast, run_now) -> None:
    run = run_now("def add(a: int, b: int) -> int:\n    print('adding')\n    return a + b\n", a=2, b=3)
    assert (run.state, run.result, run.attempt) == ("succeeded", 5, 1)
    assert "gvisor" in run.kernel.lower() or "4.4.0" in run.kernel
    assert log_of(cast, run) == "adding\n"


def test_an_error_is_stored_with_the_tool_s_own_traceback(cast, run_now) -> None:
    run = run_now("def divide(a: int) -> float:\n    zero = 0\n    return a / zero\n", a=1)
    assert run.state == "failed"
    assert run.error["type"] == "ZeroDivisionError"
    assert run.error["line"] == 3
    assert "return a / zero" in run.error["traceback"]


def test_runs_of_a_function_that_keeps_its_box_follow_each_other_in_fresh_processes(cast) -> None:
    source = (
        "import os\n\ndef look() -> list:\n    open('/tmp/left', 'a').close()\n    return [os.getppid(), os.listdir('/tmp')]\n"
    )
    version = write(cast, source, settings=Settings(isolation=Isolation.FUNCTION))
    runs = []
    for _ in range(2):
        started = begin(cast, version)
        assert perform_next_run()
        with scope(cast.acme.pk):
            runs.append(find_run(started.pk))
    assert [run.state for run in runs] == ["succeeded"] * 2, [run.message for run in runs]
    (first, files), (second, files_then) = (run.result for run in runs)
    assert second > first > 1, "one box, whose second run has another supervisor"
    assert sorted(files) == sorted(files_then) == ["left", "work"]


def test_a_function_whose_imports_come_first_is_run_in_boxes_that_were_prepared_for_it(cast) -> None:
    version = write(cast, "import sqlite3\n\ndef count() -> int:\n    return 1\n", settings=Settings(imports_first=True))
    for _ in range(2):
        started = begin(cast, version)
        assert perform_next_run()
        with scope(cast.acme.pk):
            assert find_run(started.pk).state == "succeeded"
        wait_for(lambda: boxes.pool().report().kept == 1)


def test_a_file_that_the_tool_saves_becomes_an_artifact(cast, run_now) -> None:
    run = run_now(
        "import func\n\ndef make(text: str) -> None:\n    func.save_artifact('page.html', text.encode())\n", text="<p>hello"
    )
    assert run.state == "succeeded", run.message
    with scope(cast.acme.pk):
        artifact = Artifact.objects.get(run=run)
        assert (artifact.name, artifact.media_type) == ("page.html", "text/html")
        assert blobs.path_of(cast.acme.pk, artifact.sha256).read_bytes() == b"<p>hello"


def test_calls_of_dependencies_are_stored_as_a_tree_of_spans(cast, run_now) -> None:
    write(cast, "def double(n: int) -> int:\n    if n == 3:\n        raise ValueError('three')\n    return 2 * n\n")
    run = run_now("def total(most: int) -> int:\n    return sum(double(n) for n in range(most))\n", most=5)
    assert run.state == "failed"
    with scope(cast.acme.pk):
        spans = list(Span.objects.filter(run=run).order_by("id"))
        failed = [span for span in spans if span.function_name == "double" and span.error]
        assert [span.function_name for span in spans] == ["total", "double", "double", "double", "double"]
        assert len(failed) == 1
        assert "three" in failed[0].error
        assert failed[0].line == 3


def test_output_is_stored_as_text_whatever_bytes_came(cast, run_now) -> None:
    run = run_now("import sys\n\ndef noise() -> None:\n    sys.stdout.buffer.write(b'a\\x00b\\xff\\n')\n")
    assert run.state == "succeeded"
    assert log_of(cast, run) == "a␀b\ufffd\n"


def test_a_limit_that_was_met_is_stored_with_its_sentence_and_what_was_used(cast, run_now) -> None:
    settings = Settings(limits={"memory_bytes": 128 << 20})
    run = run_now("def eat() -> int:\n    return len(b'x' * (100 << 20))\n", {"settings": settings})
    assert (run.state, run.outcome, run.limit_reached) == ("failed", "oom", "memory_bytes")
    assert "Out of memory at 128 MiB" in run.message
    assert "raise the limit “Memory” to 256 MiB" in run.message
    assert run.limits["memory_bytes"] == 128 << 20
    assert 0 < run.used["wall_seconds"] < 30
    assert 0 < run.used["memory_bytes"] <= 128 << 20


def test_a_run_that_ended_cannot_be_changed_in_the_database(cast, run_now) -> None:
    from django.db import DatabaseError

    run = run_now("def nothing() -> None:\n    pass\n")
    with pytest.raises(DatabaseError, match="never changed"), scope(cast.acme.pk):
        type(run).objects.filter(pk=run.pk).update(message="forged")
