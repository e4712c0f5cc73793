"""No task goes on for ever: turns, tokens, dollars, days, runs, repeats and idle talk are counted."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.agents import loop
from apps.agents.models import TaskState
from apps.llm.types import Reply, Usage
from apps.runs.states import RunState
from tests.agents.conftest import COMPLETE, SEARCH, Bench, call, run_tool, write_tool

FREE = Usage()


def searching(word: str, usage: Usage = FREE) -> Reply:
    reply = call("find_function", query=word)
    return Reply(reply.text, reply.tool_calls, usage)


@pytest.mark.parametrize(
    ("limits", "usage", "reason"),
    [
        ({"max_steps": 2}, Usage(), "It took 2 turns without coming to an end."),
        ({"max_tokens": 30}, Usage(10, 10), "It used 40 tokens; 30 were allowed."),
        ({"max_cost_usd": Decimal("0.03")}, Usage(1, 1, Decimal("0.02")), "It cost $0.04; $0.03 were allowed."),
    ],
)
def test_a_used_up_budget_ends_the_task(bench: Bench, limits, usage, reason) -> None:
    task = bench.play(searching("a", usage), searching("b", usage), **limits)
    assert (task.state, task.failure) == (TaskState.OVER_BUDGET, reason)
    assert task.finished_at is not None


def test_a_task_that_is_too_old_takes_no_turn(bench: Bench) -> None:
    task = bench.play(max_age=timedelta(0))
    assert (task.state, task.failure) == (TaskState.OVER_BUDGET, "It became older than it may.")


def test_a_task_that_waits_too_long_is_ended_by_the_sweep(bench: Bench) -> None:
    task = bench.play(call("ask_person", question="Which?"))
    assert loop.sweep_tasks() == 0
    bench.change(task, max_age=timedelta(0))
    assert loop.sweep_tasks() == 1
    assert (bench.see(task).state, bench.see(task).waits_for) == (TaskState.OVER_BUDGET, "")


def test_the_last_run_is_told_and_wanting_more_ends_the_task(bench: Bench) -> None:
    task = bench.play(write_tool(), run_tool(a=1, b=1), max_runs=1)
    bench.finish_runs(result=2)
    bench.replies.extend([run_tool(a=1, b=2), run_tool(a=1, b=3)])
    task = bench.go_on(task)
    assert bench.steps(task)[2].observation["code"] == "too_many_runs"
    assert (task.state, task.failure) == (TaskState.OVER_BUDGET, "It ran tools 1 times and wanted more.")
    assert len(bench.runs(task)) == 1


def test_after_the_last_run_the_model_can_still_come_to_an_end(bench: Bench) -> None:
    task = bench.play(write_tool(), run_tool(), max_runs=1)
    bench.finish_runs(result=3)
    bench.replies.extend([run_tool(a=5, b=5), COMPLETE])
    assert bench.go_on(task).state == TaskState.COMPLETED


def test_three_turns_without_a_call_fail(bench: Bench) -> None:
    task = bench.play(Reply(text="Well."), Reply(text="Hm."), Reply(text="So.", problem="Not JSON."))
    assert (task.state, task.failure) == (TaskState.FAILED, "Not JSON.")


def test_idle_turns_count_only_in_a_row(bench: Bench) -> None:
    task = bench.play(Reply(text="Well."), Reply(text="Hm."), SEARCH, Reply(text="So."), COMPLETE)
    assert task.state == TaskState.COMPLETED


def test_the_same_call_with_the_same_end_fails_the_third_time(bench: Bench) -> None:
    task = bench.play(SEARCH, SEARCH, SEARCH)
    assert (task.state, task.failure) == (TaskState.FAILED, "It called find_function 3 times with the same end.")


def test_the_same_run_with_the_same_error_fails_the_third_time_though_runs_are_counted(bench: Bench) -> None:
    task = bench.start(write_tool(), run_tool())
    error = {"type": "ValueError", "message": "no", "traceback": "", "line": 1}
    for again in (run_tool(), run_tool(), None):
        bench.go_on(task)
        bench.finish_runs(RunState.FAILED, error=error)
        bench.replies.extend([again] if again else [])
    task = bench.go_on(task)
    assert (task.state, task.failure) == (TaskState.FAILED, "It called run_tool 3 times with the same end.")
    assert [step.observation["attempt"] for step in bench.steps(task)[1:]] == [1, 2, 3]


def test_mending_the_tool_between_runs_is_no_repetition(bench: Bench) -> None:
    task = bench.start(write_tool("def add(a: int, b: int) -> int:\n    return 0\n"), run_tool())
    error = {"type": "ValueError", "message": "no", "traceback": "", "line": 1}
    for number in (1, 2, 3):
        bench.go_on(task)
        bench.finish_runs(RunState.FAILED, error=error)
        bench.replies.extend([write_tool(f"def add(a: int, b: int) -> int:\n    return {number}\n"), run_tool()])
    assert bench.go_on(task).state == TaskState.WAITING


def test_a_step_that_outlives_three_workers_is_taken_for_their_killer(bench: Bench) -> None:
    task = bench.start()
    for _ in range(3):
        bench.replies.append(RuntimeError("a bug"))
        with pytest.raises(RuntimeError, match="a bug"):
            loop.perform_next_task()
        bench.vanish(task)
    task = bench.see(task)
    assert (task.state, task.losses) == (TaskState.FAILED, 3)
    assert "3 times at the same step" in task.failure
    assert bench.last(task).model_calls == 3


def test_losses_are_counted_anew_when_a_step_is_done(bench: Bench) -> None:
    task = bench.start()
    for word in "abcd":
        bench.replies.extend([searching(word), RuntimeError("a restart")])
        with pytest.raises(RuntimeError):
            loop.perform_next_task()
        bench.vanish(task)
    assert (bench.see(task).state, bench.see(task).losses) == (TaskState.QUEUED, 1)
    assert [step.model_calls for step in bench.steps(task)] == [1, 2, 2, 2, 1]
