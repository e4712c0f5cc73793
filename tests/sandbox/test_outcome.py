"""The one decision of how a job ended."""

import signal

import pytest

from sandbox.outcome import Evidence, Exit, JobError, Kind, decide

RETURNED = Exit(code=0)
FAILED = Exit(code=1)
ERROR = JobError("ValueError", "no such thing")


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (Evidence(started=True, exit=RETURNED, has_result=True), Kind.OK),
        (Evidence(started=True, exit=FAILED, error=ERROR), Kind.ERROR),
        (Evidence(started=True, exit=FAILED, error=ERROR, limit="memory"), Kind.OOM),
        (Evidence(started=True, exit=FAILED, error=ERROR, limit="disk"), Kind.DISK),
        (Evidence(started=True, exit=FAILED, error=ERROR, limit="processes"), Kind.PROCESSES),
        (Evidence(started=True, exit=FAILED, error=ERROR, limit="result"), Kind.OUTPUT),
        (Evidence(started=True, exit=FAILED, error=ERROR, limit="made up by the box"), Kind.ERROR),
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
    assert decide(evidence)[0] is kind


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
    assert decide(evidence)[0] is not Kind.OK


def test_what_the_host_did_wins_over_what_it_looks_like() -> None:
    looks_like_anything = {"exit": Exit(None, signal.SIGKILL), "out_of_memory": True, "started": True}
    assert decide(Evidence(**looks_like_anything, cancelled=True, out_of_time=True))[0] is Kind.KILLED
    assert decide(Evidence(**looks_like_anything, out_of_time=True, flooded=True))[0] is Kind.TIMEOUT


def test_a_tool_that_kills_itself_is_an_error_and_not_a_loss() -> None:
    kind, message = decide(Evidence(started=True, exit=Exit(None, signal.SIGKILL)))
    assert kind is Kind.ERROR
    assert "signal 9" in message
