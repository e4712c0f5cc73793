"""What a box says is stored with its time and its level; a slow database slows the box and fills no memory."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.core import blobs, leases
from apps.core.tenancy import scope
from apps.runs import event_queue
from apps.runs.event_queue import EventQueue
from apps.runs.log_policy import known_level
from apps.runs.models import LogChunk, Run
from apps.runs.recorder import Recorder
from sandbox import ArtifactAbandoned, ArtifactData, ArtifactEnded, ArtifactStarted, Log, Output, Progress, SpanEnded, SpanStarted
from tests.runs.conftest import begin, write

MIB = 1 << 20
PATIENCE = 20.0


@pytest.fixture
def cast(transactional_cast):
    return transactional_cast


@pytest.fixture
def start(cast) -> Callable[..., Run]:
    """A run that this test's worker holds; what is given is frozen on it."""

    def claimed(**fields: Any) -> Run:
        run = begin(cast, write(cast, "def tool(a: int = 1) -> None:\n    pass\n"))
        with scope(cast.acme.pk):
            Run.objects.filter(pk=run.pk).update(**fields)
        held = leases.claim(lambda: Run.objects.order_by("id"), from_state="queued", to_state="running")
        assert held is not None
        return held

    return claimed


def chunks_of(run: Run) -> list[LogChunk]:
    with scope(run.workspace_id):
        return list(LogChunk.objects.filter(run=run).order_by("seq"))


def record(run: Run, *events: Any) -> Recorder:
    recorder = Recorder(run)
    for event in events:
        recorder.hear(event)
    recorder.close()
    return recorder


def file_events(name: str, pieces: Iterator[bytes]) -> Iterator[Any]:
    digest, size = hashlib.sha256(), 0
    yield ArtifactStarted(name)
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        yield ArtifactData(piece)
    yield ArtifactEnded(name, digest.hexdigest(), size)


def test_streams_are_told_apart_and_levels_kept(start) -> None:
    run = start()
    record(
        run, Output("stdout", b"out\n"), Output("stderr", b"err\n"), Log("warn", "careful"), Log("info", "so"), Log("odd", "x")
    )
    stored = [(chunk.stream, chunk.level, chunk.text) for chunk in chunks_of(run)]
    assert stored == [
        ("stdout", "", "out\n"),
        ("stderr", "", "err\n"),
        ("log", "warning", "careful\n"),
        ("log", "info", "so\nx\n"),
    ]


def test_below_the_level_nothing_of_func_log_is_kept(start) -> None:
    run = start(logging={"level": "warning"})
    record(run, Log("debug", "a"), Log("info", "b"), Log("warning", "c"), Log("error", "d"), Output("stdout", b"printed\n"))
    assert [chunk.text for chunk in chunks_of(run)] == ["c\n", "d\n", "printed\n"]


def test_of_a_run_outside_the_sample_only_warnings_are_kept_and_it_says_so_once(start) -> None:
    run = start(logging={"sample": 1_000_000})
    assert run.pk.int % 1_000_000
    record(run, Output("stdout", b"one\n"), Output("stderr", b"two\n"), Log("info", "three"), Log("error", "four"))
    assert [chunk.text for chunk in chunks_of(run)] == [
        "The output of this run is not kept: that of one run in 1000000 is.\n",
        "four\n",
    ]


@pytest.mark.parametrize(("said", "level"), [("WARN", "warning"), ("critical", "error"), ("", "info"), ("x" * 20, "info")])
def test_every_level_that_a_tool_may_say_is_one_of_four(said: str, level: str) -> None:
    assert known_level(said) == level


def test_arguments_that_are_not_stored_are_not_in_the_call_tree_either(start) -> None:
    run = start(logging={"store_arguments": False})
    record(
        run,
        SpanStarted("1", None, "tool", "a=42"),
        SpanStarted("2", "1", "elsewhere", ""),
        SpanEnded("2", "1", "elsewhere", 0.1, result_preview="42", arguments_preview="b=42"),
    )
    with scope(run.workspace_id):
        assert {(span.arguments_preview, span.result_preview) for span in run.spans.all()} == {("", "")}


def test_a_large_file_is_written_as_it_comes(start) -> None:
    run = start(limits={"artifact_bytes": 64 * MIB})
    recorder = record(run, *file_events("large.bin", (bytes([n % 256]) * 65536 for n in range(1024))))
    (artifact,) = recorder.artifacts()
    assert artifact.size == 64 * MIB
    assert blobs.path_of(run.workspace_id, artifact.sha256).stat().st_size == 64 * MIB


def test_a_file_that_was_given_up_or_cut_off_leaves_nothing(start, settings) -> None:
    run = start()
    recorder = record(
        run, ArtifactStarted("a"), ArtifactData(b"half"), ArtifactAbandoned("a"), ArtifactStarted("b"), ArtifactData(b"half")
    )
    assert recorder.artifacts() == []
    assert [path for path in (settings.HOME / "blobs" / run.workspace_id.hex).rglob("*") if path.is_file()] == []
    assert "“a” was not kept: it was not finished" in chunks_of(run)[0].text


def test_a_full_disk_stops_the_run_rather_than_lose_its_file(start, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise blobs.DiskFull("There is no room left.")

    run = start()
    monkeypatch.setattr(blobs.IncomingBlob, "write", full)
    recorder = Recorder(run)
    for event in file_events("a", iter([b"data"])):
        recorder.hear(event)
    with pytest.raises(blobs.DiskFull):
        recorder.close()


def test_progress_is_written_once_in_a_while_and_its_last_value_at_the_end(start) -> None:
    run = start()
    record(run, *(Progress(number / 1000, f"step {number}") for number in range(1001)))
    with scope(run.workspace_id):
        seen = Run.objects.get(pk=run.pk)
    assert (seen.progress, seen.progress_text) == (1.0, "step 1000")


@pytest.fixture
def blocked(monkeypatch) -> Iterator[threading.Event]:
    """The database hangs until the event is set."""
    gate = threading.Event()
    store = Recorder._store

    def slow(self: Recorder, *given: Any, **named: Any) -> None:
        assert gate.wait(PATIENCE)
        store(self, *given, **named)

    monkeypatch.setattr(Recorder, "_store", slow)
    yield gate
    gate.set()


def test_a_line_s_time_is_when_it_was_heard_however_late_it_is_stored(start, blocked) -> None:
    run = start()
    recorder = Recorder(run)
    recorder.hear(Output("stdout", b"early\n"))
    heard_by = datetime.now(UTC)
    blocked.set()
    recorder.close()
    assert chunks_of(run)[0].at <= heard_by


def test_a_database_that_hangs_makes_the_box_wait_and_memory_stays_bounded(start, blocked) -> None:
    run = start(limits={"output_bytes": 16 * MIB})
    recorder, told = Recorder(run), []

    def flood() -> None:
        for number in range(2000):
            recorder.hear(Output("stdout", bytes([65 + number % 26]) * 8191 + b"\n"))
            told.append(number)

    box = threading.Thread(target=flood)
    box.start()
    box.join(timeout=1.0)
    assert box.is_alive()
    assert len(told) * 8192 <= event_queue.MOST_BYTES
    blocked.set()
    box.join(PATIENCE)
    recorder.close()
    assert sum(len(chunk.text) for chunk in chunks_of(run)) == 2000 * 8192


def test_a_cancelled_run_does_not_wait_for_a_database_that_hangs(start, blocked) -> None:
    cancelled = threading.Event()
    recorder = Recorder(start(), is_unwanted=cancelled.is_set)
    box = threading.Thread(target=lambda: [recorder.hear(Output("stdout", bytes(65536))) for _ in range(1000)])
    box.start()
    cancelled.set()
    box.join(timeout=2.0)
    assert not box.is_alive()
    blocked.set()
    recorder.close()


def test_one_event_larger_than_the_bound_passes_alone() -> None:
    waiting = EventQueue(size=10)
    assert waiting.put(Output("stdout", bytes(100)), is_unwanted=lambda: False)
    assert not waiting.put(Output("stdout", b"x"), is_unwanted=lambda: True)
    waiting.stored(waiting.take(10) or [])
    assert waiting.put(Output("stdout", b"x"), is_unwanted=lambda: True)
