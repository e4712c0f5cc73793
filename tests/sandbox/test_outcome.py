"""The one decision of how a job ended."""

import signal

import pytest

from sandbox import LIMITS, Limits
from sandbox.outcome import Decision, Evidence, Exit, JobError, Kind
from sandbox.outcome import decide as decide_by

RETURNED = Exit(code=0)
FAILED = Exit(code=1)
ERROR = JobError("ValueError", "no such thing")
USUAL = Limits()


def decide(evidence: Evidence, limits: Limits = USUAL) -> Decision:
    return decide_by(evidence, limits)


def failed_at(limit: str) -> Evidence:
    return Evidence(started=True, exit=FAILED, error=ERROR, limit=limit)


def ended_by(number: int, **more: object) -> Evidence:
    return Evidence(started=True, exit=Exit(None, number), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (Evidence(started=True, exit=RETURNED, has_result=True), Kind.OK),
        (Evidence(started=True, exit=FAILED, error=ERROR), Kind.ERROR),
        (failed_at("memory_bytes"), Kind.OOM),
        (failed_at("scratch_bytes"), Kind.DISK),
        (failed_at("processes"), Kind.PROCESSES),
        (failed_at("result_bytes"), Kind.OUTPUT),
        (failed_at("open_files"), Kind.FILES),
        (failed_at("call_depth"), Kind.DEPTH),
        (failed_at("made up by the box"), Kind.ERROR),
        (failed_at("wall_seconds"), Kind.ERROR),
        (Evidence(started=True, asked_too_often=True), Kind.REQUESTS),
        (Evidence(started=True, out_of_cpu=True), Kind.TIMEOUT),
        (ended_by(signal.SIGXFSZ), Kind.DISK),
        (Evidence(started=True, flooded=True), Kind.OUTPUT),
        (Evidence(started=True, out_of_time=True), Kind.TIMEOUT),
        (Evidence(started=True, exit=Exit(None, signal.SIGXCPU)), Kind.TIMEOUT),
        (Evidence(started=True, cancelled=True), Kind.KILLED),
        (Evidence(started=True, out_of_memory=True), Kind.OOM),
        (Evidence(started=True), Kind.LOST),
        (Evidence(started=True, broken="unknown frame"), Kind.LOST),
        (Evidence(started=True, spoiled="rubbish"), Kind.ERROR),
        (Evidence(started=False), Kind.INFRA),
        (Evidence(started=False, cancelled=True), Kind.KILLED),
        (Evidence(started=False, out_of_time=True), Kind.INFRA),
    ],
)
def test_every_kind_of_evidence_has_its_kind_of_outcome(evidence: Evidence, kind: Kind) -> None:
    assert decide(evidence).kind is kind


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(started=True, has_result=True),
        Evidence(started=True, has_result=True, exit=FAILED),
        Evidence(started=True, has_result=True, exit=Exit(None, signal.SIGKILL)),
        Evidence(started=True, exit=RETURNED),
        Evidence(started=True, exit=RETURNED, has_result=True, error=ERROR),
        Evidence(started=True, exit=RETURNED, has_result=True, cancelled=True),
        Evidence(started=True, exit=RETURNED, has_result=True, broken="one frame too many"),
    ],
)
def test_nothing_but_a_result_and_an_orderly_end_is_ok(evidence: Evidence) -> None:
    assert decide(evidence).kind is not Kind.OK


def test_what_the_host_did_wins_over_what_it_looks_like() -> None:
    looks_like_anything = {"exit": Exit(None, signal.SIGKILL), "out_of_memory": True, "started": True}
    assert decide(Evidence(**looks_like_anything, cancelled=True, out_of_time=True)).kind is Kind.KILLED
    assert decide(Evidence(**looks_like_anything, out_of_time=True, flooded=True)).kind is Kind.TIMEOUT


def test_a_tool_that_kills_itself_is_an_error_and_not_a_loss() -> None:
    decision = decide(ended_by(signal.SIGKILL))
    assert decision.kind is Kind.ERROR
    assert "SIGKILL" in decision.message
    assert decision.limit is None


@pytest.mark.parametrize(
    ("number", "used", "kind"),
    [
        (signal.SIGXCPU, None, Kind.TIMEOUT),
        (signal.SIGXCPU, 20.3, Kind.TIMEOUT),
        (signal.SIGXCPU, 8.0, Kind.TIMEOUT),
        (signal.SIGXCPU, 0.2, Kind.ERROR),
        (signal.SIGKILL, 21.0, Kind.TIMEOUT),
        (signal.SIGKILL, 0.2, Kind.ERROR),
        (signal.SIGTERM, 21.0, Kind.ERROR),
    ],
)
def test_a_signal_means_processor_time_only_where_the_host_counted_some(number: int, used: float | None, kind: Kind) -> None:
    assert decide(ended_by(number, cpu_seconds=used)).kind is kind


@pytest.mark.parametrize(
    ("evidence", "limit", "said"),
    [
        (failed_at("memory_bytes"), "memory_bytes", ["Out of memory at 256 MiB", "“Memory” to 512 MiB"]),
        (Evidence(started=True, out_of_memory=True), "memory_bytes", ["256 MiB", "512 MiB"]),
        (failed_at("scratch_bytes"), "scratch_bytes", ["64 MiB", "“Scratch space” to 128 MiB"]),
        (failed_at("processes"), "processes", ["64 processes and threads", "to 128"]),
        (failed_at("open_files"), "open_files", ["1024 files open", "with open", "to 2048"]),
        (failed_at("result_bytes"), "result_bytes", ["larger than 1 MiB", "save_artifact", "to 2 MiB"]),
        (failed_at("call_depth"), "call_depth", ["50 deep", "to 100"]),
        (Evidence(started=True, out_of_time=True), "wall_seconds", ["longer than 30 s", "“Time” to 1 min"]),
        (ended_by(signal.SIGXCPU), "cpu_seconds", ["20 s of processor time", "to 40 s"]),
        (Evidence(started=True, flooded=True), "output_bytes", ["twice 1 MiB", "“Output” to 2 MiB"]),
        (Evidence(started=True, asked_too_often=True), "requests", ["1000 times"]),
    ],
)
def test_an_end_at_a_limit_names_it_its_figure_and_what_to_change(evidence: Evidence, limit: str, said: list[str]) -> None:
    decision = decide(evidence)
    assert decision.limit == limit
    assert [words for words in said if words not in decision.message] == []


def test_nobody_is_told_to_raise_what_is_as_high_as_it_goes() -> None:
    most = {name: row.most for name, row in LIMITS.items()}
    for name in ("memory_bytes", "processes", "result_bytes"):
        message = decide(failed_at(name), Limits(**most)).message  # type: ignore[arg-type]
        assert LIMITS[name].show(LIMITS[name].most) in message
        assert "raise" not in message


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (ended_by(signal.SIGSEGV), "SIGSEGV before the function returned. It touched memory that is not its own"),
        (ended_by(signal.SIGABRT), "SIGABRT"),
        (ended_by(63), "signal 63"),
        (Evidence(started=True, exit=Exit(0)), "exit code 0 before the function returned"),
        (Evidence(started=True, exit=Exit(137)), "exit code 137"),
        (Evidence(started=True, exit=FAILED, error=JobError("SystemExit", "the tool called exit(3)")), "Return to end well"),
        (Evidence(started=True, exit=FAILED, error=JobError("RecursionError", "too deep")), "use a loop"),
        (Evidence(started=True, exit=FAILED, error=JobError("Odd", "")), "Odd"),
    ],
)
def test_every_other_end_says_what_happened_and_names_no_limit(evidence: Evidence, said: str) -> None:
    decision = decide(evidence)
    assert (decision.kind, decision.limit) == (Kind.ERROR, None)
    assert said in decision.message


def test_files_that_were_not_kept_are_told_beside_a_success() -> None:
    good = Evidence(started=True, exit=RETURNED, has_result=True)
    assert decide(good).message == "Done."
    assert "2 files were not kept" in decide(Evidence(started=True, exit=RETURNED, has_result=True, left_out=2)).message
