"""An agent asks for hosts and secrets like anybody: a person decides, on the source that would use them."""

import json
from typing import Any

from apps.agents.models import TaskState, WaitsFor
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote
from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.vault.services import set_secret
from tests.agents.conftest import ADD, COMPLETE, Bench, call, run_tool, write_tool

MENDED = ADD.replace("a + b", "b + a")


def told(bench: Bench) -> dict[str, Any]:
    return json.loads(bench.asked[-1][-1].content)


def ask(**more: Any) -> Any:
    return call("request_host", {"tool": "add", "reason": "The sum is there.", "hosts": ["sums.example.org"], **more})


def ask_secret(name: str) -> Any:
    return call("request_secret", {"tool": "add", "secrets": [name], "reason": "To sign in."})


def decide(bench: Bench, decision: str = "approve", reason: str = "Fine.") -> ApprovalRequest:
    with scope(bench.cast.acme.pk):
        asked = ApprovalRequest.objects.get(state="open")
        cast_vote(actor=bench.cast.approver, request_id=asked.pk, decision=decision, reason=reason, shown_digest=asked.digest)
    return asked


def test_a_host_is_waited_for_without_a_worker_and_told(bench: Bench) -> None:
    task = bench.play(write_tool(), ask())
    assert (task.state, task.waits_for, task.lease_until) == (TaskState.WAITING, WaitsFor.GRANT, None)
    asked = decide(bench)
    assert [part["origin"] for part in asked.subject["parts"]] == ["agent"]
    assert asked.task_id == task.pk
    bench.replies.extend([run_tool(), COMPLETE])
    task = bench.go_on(task)
    assert told(bench) == {"tool": "add", "hosts": ["sums.example.org"], "secrets": [], "state": "granted", "reason": "Fine."}
    assert task.waits_for == WaitsFor.RUN
    (run,) = bench.runs(task)
    assert (run.state, run.hosts) == ("queued", ["sums.example.org"])
    bench.finish_runs(result=3)
    assert bench.go_on(task).state == TaskState.COMPLETED


def test_a_rejection_s_reason_reaches_the_agent(bench: Bench) -> None:
    task = bench.play(write_tool(), ask())
    decide(bench, "reject", "Ask the finance team.")
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED
    assert (told(bench)["state"], told(bench)["reason"]) == ("rejected", "Ask the finance team.")


def test_a_mended_tool_keeps_its_wishes_and_needs_another_vote(bench: Bench) -> None:
    task = bench.play(write_tool(), ask())
    decide(bench)
    bench.replies.extend([write_tool(MENDED), run_tool()])
    task = bench.go_on(task)
    (run,) = bench.runs(task)
    assert (run.state, run.hosts) == ("awaiting_approval", ["sums.example.org"])
    decide(bench)
    assert bench.runs(task)[0].state == "queued"
    bench.finish_runs(result=3)
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED


def test_a_run_that_people_refused_is_told(bench: Bench) -> None:
    task = bench.play(write_tool(), ask())
    decide(bench)
    bench.replies.extend([write_tool(MENDED), run_tool()])
    task = bench.go_on(task)
    decide(bench, "reject", "It changed too much.")
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED
    assert told(bench)["state"] == "refused"
    assert "It changed too much." in told(bench)["error"]["message"]


def test_a_secret_is_asked_for_by_the_name_that_the_task_is_told(bench: Bench) -> None:
    with scope(bench.cast.acme.pk):
        set_secret(actor=bench.cast.admin, name="SUM_KEY", value="correct-horse")
        set_secret(actor=bench.cast.admin, name="MODEL_KEY", value="correct-horse", purpose="model")
    task = bench.play(write_tool(), ask_secret("SUM_KEY"))
    assert '"secrets": ["SUM_KEY"]' in bench.asked[0][1].content
    assert task.waits_for == WaitsFor.GRANT
    asked = decide(bench)
    assert [secret["name"] for secret in asked.subject["secrets"]] == ["SUM_KEY"]
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED


def test_what_cannot_be_granted_is_told_at_once_and_nothing_is_stored(bench: Bench) -> None:
    bench.play(
        write_tool(),
        ask(hosts=["http://sums.example.org/"]),
        ask_secret("NOWHERE"),
        ask(tool="other"),
        ask(hosts=[]),
        COMPLETE,
    )
    failures = [json.loads(messages[-1].content) for messages in bench.asked[2:]]
    assert [told["state"] for told in failures] == ["failed"] * 4
    assert "no host" in failures[0]["reason"]
    assert "NOWHERE" in failures[1]["reason"]
    with scope(bench.cast.acme.pk):
        assert not ApprovalRequest.objects.exists()
        assert FunctionVersion.objects.count() == 1


def test_the_starter_of_the_task_has_no_vote(bench: Bench) -> None:
    with scope(bench.cast.acme.pk):
        bench.cast.developer.role = "admin"
        bench.cast.developer.save()
    bench.play(write_tool(), ask())
    with scope(bench.cast.acme.pk):
        asked = ApprovalRequest.objects.get()
        assert asked.authors.filter(user=bench.cast.developer.user).exists()
