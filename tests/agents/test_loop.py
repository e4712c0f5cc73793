"""The turns of a task: thinking, decided, waiting, done; and what the model is told of them."""

import json

from apps.agents import loop
from apps.agents.models import StepState, TaskState, WaitsFor
from apps.agents.services import start_task
from apps.core.leases import LeaseLost
from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion
from apps.llm.models import ConnectionState, Kind, LanguageModel
from apps.llm.types import Reply, ToolCall, Usage
from apps.packages.states import PackageState
from apps.runs.states import RunState
from tests.agents.conftest import COMPLETE, SEARCH, Bench, call, run_tool, write_tool


def told(bench: Bench, turn: int = -1) -> dict:
    """What came of the last call, as the model read it in that turn."""
    return json.loads(bench.asked[turn][-1].content)


def test_a_task_is_worked_on_until_the_model_says_that_it_is_done(bench: Bench) -> None:
    task = bench.play(SEARCH, COMPLETE)
    assert (task.state, task.summary, task.waits_for) == (TaskState.COMPLETED, "Done.", "")
    assert task.finished_at is not None
    assert task.lease_until is None
    assert [(step.tool, step.state, step.model_calls) for step in bench.steps(task)] == [
        ("find_function", StepState.DONE, 1),
        ("task_completed", StepState.DONE, 1),
    ]
    assert told(bench) == {"functions": []}
    assert not loop.perform_next_task()


def test_a_waiting_task_holds_no_lease_and_goes_on_by_itself_when_its_run_ends(bench: Bench) -> None:
    task = bench.play(write_tool(), run_tool())
    assert (task.state, task.waits_for, task.lease_until, task.leased_by) == (TaskState.WAITING, WaitsFor.RUN, None, "")
    assert bench.last(task).state == StepState.WAITING
    assert not loop.perform_next_task()
    assert bench.finish_runs(result=3) == 1
    assert bench.see(task).state == TaskState.QUEUED
    assert bench.last(task).observation["result"] == 3
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED
    assert told(bench)["state"] == "succeeded"


def test_a_failed_run_is_told_with_its_traceback(bench: Bench) -> None:
    task = bench.play(write_tool(), run_tool())
    error = {"type": "ValueError", "message": "no", "traceback": "line 1", "line": 1}
    bench.finish_runs(RunState.FAILED, error=error)
    bench.replies.append(COMPLETE)
    bench.go_on(task)
    assert told(bench)["error"] == {"type": "ValueError", "message": "no", "traceback": "line 1"}
    assert told(bench)["attempt"] == 1


def test_packages_are_waited_for_and_told_however_they_end(bench: Bench) -> None:
    ends = [
        (PackageState.READY, {"environment_digest": "a" * 64}, "ready", ""),
        (PackageState.REJECTED, {"failure": "Too big."}, "rejected", "Too big."),
        (PackageState.FAILED, {"failure": "There is no such package."}, "failed", "There is no such package."),
        (PackageState.EXPIRED, {"failure": "Nobody decided."}, "rejected", "Nobody decided."),
    ]
    for number, (state, fields, word, reason) in enumerate(ends):
        task = bench.play(call("request_package", requirements=[f"leaf{number}"], reason="It helps."))
        assert (task.state, task.waits_for, task.lease_until) == (TaskState.WAITING, WaitsFor.PACKAGES, None)
        assert bench.end_packages(state, **fields) == 1
        bench.replies.append(COMPLETE)
        assert bench.go_on(task).state == TaskState.COMPLETED
        assert told(bench) == {"requirements": [f"leaf{number}"], "state": word, "reason": reason}


def test_packages_that_are_granted_already_are_not_waited_for(bench: Bench) -> None:
    first = bench.play(call("request_package", requirements=["leaf"], reason="It helps."))
    bench.end_packages(PackageState.READY, environment_digest="a" * 64)
    bench.replies.append(COMPLETE)
    bench.go_on(first)
    second = bench.play(call("request_package", requirements=["Leaf"], reason="It helps."), COMPLETE)
    assert second.state == TaskState.COMPLETED
    assert told(bench)["state"] == "ready"


def test_a_tool_is_a_version_in_the_tasks_own_scope(bench: Bench) -> None:
    task = bench.play(write_tool(), write_tool("def add(a: int, b: int) -> int:\n    return b + a\n"), COMPLETE)
    with scope(bench.cast.acme.pk):
        function = Function.objects.get()
        versions = list(FunctionVersion.objects.order_by("number"))
        assert not Function.objects.library().exists()
    assert function.task_id == task.pk
    assert [(version.number, version.origin, version.prompt) for version in versions] == [
        (1, "agent", "Add numbers."),
        (2, "agent", "Add numbers."),
    ]
    assert [step.version_id for step in bench.steps(task)] == [versions[0].pk, versions[1].pk, None]


def test_problems_of_a_source_are_told_and_nothing_is_stored(bench: Bench) -> None:
    bench.play(write_tool("def add(a:\n"), COMPLETE)
    assert told(bench)["version"] is None
    assert told(bench)["problems"][0].startswith("line 1")
    with scope(bench.cast.acme.pk):
        assert not Function.objects.exists()


def test_declared_dependencies_are_compared_with_what_the_source_uses(bench: Bench) -> None:
    twice = "def twice(a: int) -> int:\n    return add(a, a)\n"
    bench.play(
        write_tool(),
        write_tool(twice, "twice", dependencies=["add", "multiply"]),
        write_tool(twice, "twice", dependencies=["add"]),
        COMPLETE,
    )
    assert told(bench, 2)["problems"] == ["Declared as a dependency and never used: multiply."]
    assert told(bench, 3) == {"tool": "twice", "version": 1, "problems": []}


def test_only_the_first_of_several_calls_is_carried_out(bench: Bench) -> None:
    calls = tuple(ToolCall(f"call_{number}", "save_artifact", {"name": f"{number}.txt", "text": "x"}) for number in range(3))
    task = bench.play(Reply(text="All at once.", tool_calls=calls), COMPLETE)
    assert bench.artifacts(task) == ["0.txt"]
    assert [message.tool_calls for message in bench.asked[-1] if message.tool_calls] == [calls[:1]]


def test_an_unknown_tool_and_arguments_of_another_shape_are_told(bench: Bench) -> None:
    bench.play(call("rm_rf", path="/"), call("find_function", words=3), COMPLETE)
    assert told(bench, 1)["code"] == "no_such_tool"
    assert "find_function" in told(bench, 1)["problem"]
    assert told(bench, 2)["code"] == "tool_arguments"
    assert "'query' is a required property" in told(bench, 2)["problem"]


def test_a_reply_without_a_call_is_answered_with_a_reminder(bench: Bench) -> None:
    bench.play(Reply(text=""), Reply(text="Hm.", problem="Not JSON."), COMPLETE)
    assert [(message.role, message.content) for message in bench.asked[-1][-4:]] == [
        ("assistant", "(no text)"),
        ("user", bench.asked[1][-1].content),
        ("assistant", "Hm."),
        ("user", f"Not JSON.\n{bench.asked[1][-1].content}"),
    ]
    assert bench.asked[1][-1].content.startswith("Call exactly one")


def test_tokens_and_cost_are_added_up(bench: Bench) -> None:
    spent = [Usage(10, 5, None), Usage(7, 3, None)]
    replies = [
        Reply(text="", tool_calls=each.tool_calls, usage=usage) for each, usage in zip([SEARCH, COMPLETE], spent, strict=True)
    ]
    task = bench.play(*replies)
    assert (task.tokens_used, task.cost_usd, task.cost_is_known) == (25, 0, False)


def test_the_agent_acts_with_the_rights_that_its_person_has_now(bench: Bench) -> None:
    task = bench.start(write_tool(), COMPLETE)
    with scope(bench.cast.acme.pk):
        type(bench.cast.developer).objects.filter(pk=bench.cast.developer.pk).update(role="viewer")
    task = bench.go_on(task)
    assert told(bench)["problems"][0].startswith("To write functions")
    with scope(bench.cast.acme.pk):
        assert not Function.objects.exists()


def test_a_task_whose_starter_has_left_ends_without_asking_the_model(bench: Bench) -> None:
    task = bench.start()
    with scope(bench.cast.acme.pk):
        bench.cast.developer.delete()
    task = bench.go_on(task)
    assert (task.state, task.failure) == (TaskState.FAILED, "The person who started this task is no longer a member here.")
    assert bench.asked == []


def test_what_a_model_says_after_the_starter_has_left_is_not_carried_out(bench: Bench) -> None:
    def leave() -> Reply:
        with scope(bench.cast.acme.pk):
            type(bench.cast.developer).objects.get(pk=bench.cast.developer.pk).delete()
        return write_tool()

    task = bench.play(leave)
    assert task.state == TaskState.FAILED
    assert bench.last(task).observation["problems"] == ["The person who started this task is no longer a member here."]
    with scope(bench.cast.acme.pk):
        assert not Function.objects.exists()


def test_a_workspace_with_many_tasks_does_not_keep_the_others_waiting(bench: Bench) -> None:
    busy = [bench.start() for _ in range(3)]
    stranger = bench.cast.stranger
    with scope(bench.cast.globex.pk):
        model = LanguageModel.objects.create(name="Theirs", kind=Kind.LITELLM, model="openai/x", state=ConnectionState.OK)
        theirs = start_task(actor=stranger, prompt="Add numbers.", model=model)

    def meanwhile() -> Reply:
        bench.replies.append(COMPLETE)
        assert loop.perform_next_task()
        return COMPLETE

    bench.replies.append(meanwhile)
    assert loop.perform_next_task()
    with scope(bench.cast.globex.pk):
        theirs.refresh_from_db()
    assert theirs.state == TaskState.COMPLETED
    assert [bench.see(task).state for task in busy] == [TaskState.COMPLETED, TaskState.QUEUED, TaskState.QUEUED]


def test_a_stale_worker_writes_nothing(bench: Bench) -> None:
    """While the model thinks, the lease is lost and another worker takes the task."""
    task = bench.start()

    def take_over() -> Reply:
        bench.vanish(task)
        bench.replies.append(COMPLETE)
        assert loop.perform_next_task()
        return write_tool()

    bench.replies.append(take_over)
    assert loop.perform_next_task()
    assert bench.see(task).state == TaskState.COMPLETED
    assert [(step.tool, step.model_calls) for step in bench.steps(task)] == [("task_completed", 2)]
    with scope(bench.cast.acme.pk):
        assert not Function.objects.exists()


def test_a_lost_lease_ends_the_workers_part_quietly(bench: Bench, caplog) -> None:
    bench.play(LeaseLost("gone"))
    assert "task.lease_lost" in caplog.text
