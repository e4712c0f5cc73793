"""Files that a tool writes straight to its host, and progress that it reports without end."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import ArtifactAbandoned, ArtifactData, ArtifactEnded, Kind, Limits, Progress

Run = Callable[..., Any]
MIB = 1 << 20


def made(told: Any) -> dict[str, int]:
    return {event.name: event.size for event in told.of(ArtifactEnded)}


def test_a_streamed_file_arrives_whole_and_needs_no_scratch_space(run: Run) -> None:
    told = run(
        """
        import func, os
        def main():
            with func.open_artifact("out/large.bin") as file:
                for number in range(80):
                    file.write(bytes([number]) * (1 << 20))
            return os.listdir(func.artifacts)
        """,
        limits=Limits(artifact_bytes=100 * MIB, scratch_bytes=1 * MIB),
    )
    assert (told.outcome.kind, told.outcome.result) == (Kind.OK, [])
    assert made(told) == {"out/large.bin": 80 * MIB}
    data = b"".join(event.data for event in told.of(ArtifactData))
    assert data == b"".join(bytes([number]) * MIB for number in range(80))


def test_what_is_written_by_text_and_buffers_arrives_in_order(run: Run) -> None:
    told = run(
        """
        import csv, func, io
        def main():
            with func.open_artifact("rows.csv") as raw, io.TextIOWrapper(io.BufferedWriter(raw), newline="") as text:
                csv.writer(text).writerows([[1, 2], [3, 4]])
        """
    )
    assert told.outcome.kind is Kind.OK
    assert b"".join(event.data for event in told.of(ArtifactData)) == b"1,2\r\n3,4\r\n"


@pytest.mark.parametrize(
    "ending", ["raise ValueError('no')", "import os; file.fileno = None; os._exit(0)"], ids=["an error", "the end of the process"]
)
def test_a_file_that_was_not_finished_is_given_up(run: Run, ending: str) -> None:
    told = run(
        f"""
        import func
        def main():
            func.save_artifact("kept.txt", "kept")
            with func.open_artifact("half.bin") as file:
                file.write(b"half")
                {ending}
        """
    )
    assert told.outcome.kind is Kind.ERROR
    assert [event.name for event in told.of(ArtifactAbandoned)] == ["half.bin"]
    assert made(told) == {"kept.txt": 4}


def test_a_run_keeps_no_more_than_it_may_by_both_ways_together(run: Run) -> None:
    told = run(
        """
        import func
        def main():
            with func.open_artifact("streamed.bin") as file:
                file.write(bytes(700))
            func.save_artifact("late.bin", bytes(400))
            try:
                with func.open_artifact("more.bin") as file:
                    file.write(bytes(400))
            except Exception as error:
                return f"{type(error).__name__}: {error}"
        """,
        limits=Limits(artifact_bytes=1000),
    )
    assert told.outcome.kind is Kind.OK
    assert told.outcome.result.startswith("ArtifactRefused: more.bin is larger than what this run may still keep")
    assert made(told) == {"streamed.bin": 700}


@pytest.mark.parametrize("name", ["../up", "/root", "a//b", "a\\\\b", "line\\nfeed", ""])
def test_a_name_that_is_no_plain_path_is_an_error_of_the_tool(run: Run, name: str) -> None:
    told = run(f'import func\ndef main():\n    func.open_artifact("{name}")')
    assert told.outcome.error.type == "ArtifactRefused"
    assert made(told) == {}


def test_two_files_cannot_be_open_at_once(run: Run) -> None:
    told = run(
        "import func\ndef main():\n    with func.open_artifact('a'), func.open_artifact('b'):\n        pass",
    )
    assert told.outcome.error.type == "ArtifactRefused"
    assert "one is written at a time" in told.outcome.error.message


def test_a_tool_that_forges_file_frames_spoils_its_own_run_only(run: Run) -> None:
    told = run(
        """
        import os, struct
        def main():
            for descriptor in range(3, 30):
                try:
                    os.write(descriptor, struct.pack(">IB", 4, 21) + b"data")
                except OSError:
                    pass
        """
    )
    assert told.outcome.kind is Kind.ERROR
    assert made(told) == {}


def test_progress_may_be_reported_without_end_and_the_last_word_arrives(run: Run) -> None:
    told = run(
        """
        import func
        def main():
            for number in range(100_001):
                func.progress(number / 100_000, f"step {number}")
        """
    )
    assert told.outcome.kind is Kind.OK
    seen = told.of(Progress)
    assert 1 <= len(seen) < 1000
    assert (seen[-1].fraction, seen[-1].text) == (1.0, "step 100000")
