"""What people do with tasks: start, answer, play the model, cancel."""

from threading import Thread
from typing import Any

import pytest
from django.db import connection

from apps.agents import loop, services, tools, transitions
from apps.agents.models import StepState, Task, TaskState, WaitsFor
from apps.agents.services import (
    AlreadyEnded,
    BadText,
    BadTurn,
    EmptyPrompt,
    NotWaiting,
    TooManyFiles,
    answer_question,
    cancel_task,
    play_turn,
    start_task,
)
from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.llm.types import Reply, Waiting
from apps.packages.states import PackageState
from apps.runs import transitions as run_transitions
from apps.runs.models import Artifact
from apps.runs.services import SameFileName, store_upload
from apps.runs.states import RunState
from apps.workspaces.services import PermissionMissing, TokenCannot
from tests.agents.conftest import COMPLETE, SEARCH, Bench, call, run_tool, write_tool

TURN = Waiting("Somebody plays the model.")
ASK = call("ask_person", question="Which file?")


def in_acme(bench: Bench, function: Any, task: Task, **arguments: Any) -> Any:
    with scope(bench.cast.acme.pk):
        return function(**{"actor": bench.cast.developer, "task_id": task.pk, **arguments})


def start(bench: Bench, **given: Any) -> Task:
    with scope(bench.cast.acme.pk):
        return start_task(**{"actor": bench.cast.developer, "prompt": "Do it.", "model": bench.model, **given})


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"prompt": "  "}, EmptyPrompt),
        ({"prompt": "x" * 20_001}, BadText),
        ({"prompt": "a\x00b"}, BadText),
        ({"prompt": "a", "title": "\ud800"}, BadText),
    ],
)
def test_a_task_that_cannot_be_started_leaves_nothing(bench: Bench, given, error) -> None:
    with pytest.raises(error):
        start(bench, **given)
    with scope(bench.cast.acme.pk):
        assert not Task.objects.exists()


def test_files_of_a_task_have_names_of_their_own_and_are_not_too_many(bench: Bench) -> None:
    with scope(bench.cast.acme.pk):
        twins = [store_upload(actor=bench.cast.developer, name="a.txt", chunks=[b"a"]) for _ in range(2)]
    with pytest.raises(SameFileName):
        start(bench, files=twins)
    many = [Artifact(name=f"{number}.txt") for number in range(51)]
    with pytest.raises(TooManyFiles):
        start(bench, files=many)


def test_an_answer_reaches_the_model(bench: Bench) -> None:
    task = bench.play(ASK)
    assert (task.state, task.waits_for, task.lease_until) == (TaskState.WAITING, WaitsFor.ANSWER, None)
    in_acme(bench, answer_question, task, answer=" The first. ")
    bench.replies.append(COMPLETE)
    assert bench.go_on(task).state == TaskState.COMPLETED
    assert bench.asked[-1][-1].content == '{"answer": "The first."}'


def test_a_question_is_answered_once_and_by_a_person(bench: Bench) -> None:
    task = bench.play(ASK)
    with pytest.raises(PermissionMissing):
        in_acme(bench, answer_question, task, actor=bench.cast.viewer, answer="I may not.")
    bench.cast.developer.is_token = True
    with pytest.raises(TokenCannot):
        in_acme(bench, answer_question, task, answer="I am a program.")
    bench.cast.developer.is_token = False
    with pytest.raises(BadText):
        in_acme(bench, answer_question, task, answer="\x00")
    in_acme(bench, answer_question, task, answer="Yes.")
    with pytest.raises(NotWaiting):
        in_acme(bench, answer_question, task, answer="No.")
    assert bench.last(task).observation == {"answer": "Yes."}


def test_a_person_plays_the_model_turn_by_turn(bench: Bench) -> None:
    task = bench.play(TURN)
    assert (task.state, task.waits_for, task.lease_until) == (TaskState.WAITING, WaitsFor.TURN, None)
    in_acme(bench, play_turn, task, tool="find_function", arguments={"query": "add"}, text="I look.")
    assert (bench.see(task).state, bench.see(task).waits_for) == (TaskState.QUEUED, "")
    bench.replies.append(TURN)
    task = bench.go_on(task)
    assert [(step.tool, step.state) for step in bench.steps(task)] == [
        ("find_function", StepState.DONE),
        ("", StepState.THINKING),
    ]
    in_acme(bench, play_turn, task, tool="task_completed", arguments={"summary": "Made by hand."})
    assert bench.go_on(task).summary == "Made by hand."


@pytest.mark.parametrize(
    ("tool", "arguments", "error", "words"),
    [
        ("no_such_tool", {}, tools.NoSuchTool, "There are: find_function"),
        ("find_function", {}, tools.ArgumentsDoNotFit, "'query' is a required property"),
        ("find_function", {"query": "\x00"}, BadTurn, "NUL"),
    ],
)
def test_a_persons_wrong_turn_is_refused_at_once_and_can_be_given_again(bench: Bench, tool, arguments, error, words) -> None:
    task = bench.play(TURN)
    with pytest.raises(error, match=words):
        in_acme(bench, play_turn, task, tool=tool, arguments=arguments)
    assert (bench.see(task).state, bench.see(task).waits_for) == (TaskState.WAITING, WaitsFor.TURN)
    in_acme(bench, play_turn, task, tool="task_completed", arguments={"summary": "Done."})
    assert bench.go_on(task).state == TaskState.COMPLETED


def test_a_turn_is_played_once(bench: Bench) -> None:
    task = bench.play(TURN)
    in_acme(bench, play_turn, task, tool="find_function", arguments={"query": "a"})
    with pytest.raises(NotWaiting):
        in_acme(bench, play_turn, task, tool="find_function", arguments={"query": "b"})
    cancelled = bench.see(task)
    in_acme(bench, cancel_task, cancelled)
    with pytest.raises(NotWaiting):
        in_acme(bench, play_turn, task, tool="find_function", arguments={"query": "c"})


def check_cancelled(bench: Bench, task: Task) -> None:
    task = bench.see(task)
    assert (task.state, task.waits_for, task.failure) == (TaskState.CANCELLED, "", "Cancelled by developer.")
    assert task.finished_at is not None
    assert not loop.perform_next_task()
    with scope(bench.cast.acme.pk):
        assert AuditRecord.objects.filter(action="task.cancelled", subject_id=str(task.pk), actor_name="developer").count() == 1
    with pytest.raises(AlreadyEnded):
        in_acme(bench, cancel_task, task)


def test_a_queued_task_is_cancelled(bench: Bench) -> None:
    task = bench.start()
    in_acme(bench, cancel_task, task)
    check_cancelled(bench, task)


@pytest.mark.parametrize("reply", [ASK, TURN, call("request_package", requirements=["leaf"], reason="It helps.")])
def test_a_waiting_task_is_cancelled(bench: Bench, reply) -> None:
    task = bench.play(reply)
    in_acme(bench, cancel_task, task)
    check_cancelled(bench, task)
    bench.end_packages(PackageState.REJECTED, failure="Too late.")
    check_cancelled(bench, task)


def test_a_task_is_cancelled_with_the_run_that_it_waits_for(bench: Bench) -> None:
    task = bench.play(write_tool(), run_tool())
    in_acme(bench, cancel_task, task)
    check_cancelled(bench, task)
    assert [run.state for run in bench.runs(task)] == [RunState.CANCELLED]


def test_a_run_in_a_box_is_told_to_stop(bench: Bench) -> None:
    task = bench.play(write_tool(), run_tool())
    [run] = bench.runs(task)
    with scope(bench.cast.acme.pk):
        run_transitions.move(run, from_states=(RunState.QUEUED,), to_state=RunState.RUNNING)
    in_acme(bench, cancel_task, task)
    check_cancelled(bench, task)
    assert bench.runs(task)[0].cancel_requested_at is not None


def test_a_task_is_cancelled_while_its_model_thinks_and_the_reply_is_dropped(bench: Bench) -> None:
    def cancelled_meanwhile() -> Reply:
        in_acme(bench, cancel_task, task)
        return write_tool()

    task = bench.start(cancelled_meanwhile)
    assert loop.perform_next_task()
    check_cancelled(bench, task)
    assert [(step.tool, step.state) for step in bench.steps(task)] == [("", StepState.THINKING)]


def test_a_task_is_cancelled_while_it_acts_and_keeps_what_it_did(bench: Bench, monkeypatch) -> None:
    """The act's transaction is open: cancelling waits for its end, and finds the task waiting by then."""
    asked: list[Thread] = []

    def cancel() -> None:
        try:
            in_acme(bench, cancel_task, task)
        finally:
            connection.close()

    def cancel_beside(*given: Any) -> Any:
        asked.append(Thread(target=cancel))
        asked[0].start()
        return tools.call_tool(*given)

    monkeypatch.setattr(loop, "call_tool", cancel_beside)
    task = bench.start(ASK)
    assert loop.perform_next_task()
    asked[0].join(timeout=30)
    check_cancelled(bench, task)
    assert bench.last(task).tool == "ask_person"


def test_a_task_that_ended_cannot_be_cancelled(bench: Bench) -> None:
    task = bench.play(COMPLETE)
    with pytest.raises(AlreadyEnded):
        in_acme(bench, cancel_task, task)
    assert bench.see(task).state == TaskState.COMPLETED


def test_what_a_waiting_step_waited_for_may_come_again_and_late(bench: Bench) -> None:
    task = bench.play(ASK)
    with scope(bench.cast.acme.pk):
        step = services._waiting_step(task.pk, WaitsFor.ANSWER)
        assert transitions.resume(step, {"answer": "One."})
        assert not transitions.resume(step, {"answer": "Two."})
    assert bench.last(task).observation == {"answer": "One."}
    bench.replies.extend([SEARCH, COMPLETE])
    assert bench.go_on(task).state == TaskState.COMPLETED
