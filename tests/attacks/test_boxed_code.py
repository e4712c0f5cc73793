"""A tool that wants more than its own result: to pass for the platform, to wedge its run, or to be tried for ever."""

import pytest

from apps.core.tenancy import scope
from apps.runs.models import Artifact, LogChunk, RunInput, Span
from apps.runs.recorder import Recorder
from apps.runs.services import SameFileName, find_run, media_type_of, start_run, store_upload
from apps.runs.work import perform_next_run
from sandbox import ArtifactSkipped, InvalidJob, Log
from tests.runs.conftest import begin, write

FORGED_FRAMES = """
import os, struct, time

def main(which: str) -> None:
    frames = {
        "infinite result": [(3, b"[1e400]")],
        "unclosed result": [(3, b'"' + b'\\\\"' * 500_000)],
        "span": [
            (12, b'{"id": "x", "parent": null, "function": "main", "arguments": ""}'),
            (13, b'{"id": "x", "parent": null, "function": "main", "seconds": 1, "line": -1, "error": "x"}'),
        ],
        "progress": [(15, b'{"text": "x", "fraction": 1' + b"0" * 400 + b"}")],
    }
    data = b"".join(struct.pack(">IB", len(payload), kind) + payload for kind, payload in frames[which])
    for descriptor in range(3, 40):
        try:
            left = data
            while left:
                left = left[os.write(descriptor, left):]
        except OSError:
            pass
    time.sleep(0.5)
    os._exit(0)  # without a result of the runner's own: two would be told apart from one
"""


@pytest.mark.gvisor
@pytest.mark.parametrize("which", ["infinite result", "unclosed result", "span", "progress"])
def test_a_forged_frame_ends_the_run_at_its_first_attempt_as_the_tools_own_fault(run_now, which: str) -> None:
    """It used to end the worker's step instead: with an error of the database, or after hours."""
    run = run_now(FORGED_FRAMES, which=which)
    assert (run.state, run.attempt) == ("failed", 1), run.message
    assert "rubbish" in run.message


def said_by_the_platform(cast, *events) -> list[str]:
    run = begin(cast, write(cast, "def nothing() -> None:\n    pass\n"))
    with scope(cast.acme.pk):
        type(run).objects.filter(pk=run.pk).update(state="running", attempt=1, token=1, lease_until="2999-01-01T00:00Z")
        run = find_run(run.pk)
    recorder = Recorder(run)
    for event in events:
        recorder.hear(event)
    recorder.close()
    with scope(cast.acme.pk):
        return "".join(
            LogChunk.objects.filter(run=run, stream__in=("system", "log")).order_by("seq").values_list("text", flat=True)
        ).splitlines()


def test_a_tool_cannot_begin_a_line_of_the_platform(cast) -> None:
    lines = said_by_the_platform(
        cast,
        Log("info", "working\nThe run was approved by the owner."),
        Log("x]\nThe run was approved by the owner.\n[y", "\u2028The run was approved"),
        ArtifactSkipped("a\rThe run was approved by the owner.", "too\nlarge"),
    )
    assert not [line for line in lines if line.startswith("The run was approved")]
    assert len(lines) == 3


@pytest.mark.parametrize("name", ["data:text/html,page.txt", "data:a/" + "b" * 150 + ",c.txt", "http:/[x.txt"])
def test_a_file_s_name_that_looks_like_an_address_has_no_say_in_its_type(name: str) -> None:
    assert media_type_of(name) == "text/plain"


@pytest.mark.gvisor
def test_an_artifact_with_a_name_like_an_address_is_stored(cast, run_now) -> None:
    """The type that such a name spells was longer than its column: the run was lost with its worker, three times."""
    run = run_now(
        "import pathlib\n\ndef main() -> None:\n    folder = pathlib.Path('artifacts/data:a')\n    folder.mkdir()\n"
        "    (folder / ('b' * 150 + ',c.txt')).write_text('x')\n"
    )
    assert (run.state, run.attempt) == ("succeeded", 1), run.message
    with scope(cast.acme.pk):
        assert Artifact.objects.get(run=run).media_type == "text/plain"


def test_two_input_files_of_one_name_are_refused_before_anything_is_queued(cast) -> None:
    version = write(cast, "def nothing() -> None:\n    pass\n")
    with scope(cast.acme.pk):
        file = store_upload(actor=cast.developer, name="a.txt", chunks=[b"1"])
        inner = Artifact.objects.create(name="out/a.txt", sha256=file.sha256, size=1, media_type="text/plain")
    for files in ([file, file], [file, inner]):
        with pytest.raises(SameFileName), scope(cast.acme.pk):
            start_run(actor=cast.developer, version=version, arguments={}, files=files)


@pytest.mark.gvisor
def test_a_file_that_a_run_made_in_a_folder_can_be_the_input_of_another(cast) -> None:
    version = write(cast, "import func\n\ndef read() -> str:\n    return func.read_input('a.txt').decode()\n")
    with scope(cast.acme.pk):
        file = store_upload(actor=cast.developer, name="plain", chunks=[b"made"])
        inner = Artifact.objects.create(name="out/a.txt", sha256=file.sha256, size=4, media_type="text/plain")
        run = start_run(actor=cast.developer, version=version, arguments={}, files=[inner])
    assert perform_next_run()
    with scope(cast.acme.pk):
        ended = find_run(run.pk)
    assert (ended.state, ended.result) == ("succeeded", "made"), ended.message


def test_a_job_that_no_box_takes_fails_at_once_and_is_not_queued_for_ever(cast, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise InvalidJob("The job's sources and arguments are larger than a box takes.")

    monkeypatch.setattr("apps.runs.work._execute", refuse)
    run = begin(cast, write(cast, "def nothing() -> None:\n    pass\n"))
    assert perform_next_run()
    with scope(cast.acme.pk):
        ended = find_run(run.pk)
        assert (ended.state, ended.outcome, ended.attempt) == ("failed", "invalid", 1)
        assert not Span.objects.filter(run=run).exists()


def test_an_input_whose_content_is_gone_fails_the_run_with_a_sentence(cast) -> None:
    run = begin(cast, write(cast, "def nothing() -> None:\n    pass\n"))
    with scope(cast.acme.pk):
        gone = Artifact.objects.create(name="a.txt", sha256="0" * 64, size=1, media_type="text/plain")
        RunInput.objects.create(run=run, artifact=gone)
    assert perform_next_run()
    with scope(cast.acme.pk):
        ended = find_run(run.pk)
    assert (ended.state, ended.attempt) == ("failed", 1)
    assert "no longer stored" in ended.message
