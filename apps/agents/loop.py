"""The agent's loop: think, decide, act; wait without a worker; go on after a crash from the row that was written last.

A step passes thinking → decided → (waiting →) done. The reply is stored before anything is done with it, and what it
does is stored in the transaction that marks it as done: so a crash repeats a model call at most, and never an act.
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from apps.agents import transitions
from apps.agents.budget import TOO_OLD, find_end, too_old
from apps.agents.models import Step, StepState, Task, TaskState, WaitsFor
from apps.agents.prompts import TOOLS, conversation
from apps.agents.replies import store_reply
from apps.agents.tools import Completed, Wait, call_tool
from apps.core import leases, stopping
from apps.core.dispatch import MESSAGES_PER_LOOK, wake
from apps.core.retries import MAX_LOSSES, Backoff, outlived_its_workers
from apps.core.tenancy import every_workspace, scope
from apps.llm.errors import ModelUnavailable
from apps.llm.services import complete
from apps.llm.types import Waiting

log = logging.getLogger(__name__)
MAX_MODEL_CALLS = 4  # tries at one reply, for whatever reason
BACKOFF = Backoff(base=4, cap=30)
LONGEST_PAUSE_SECONDS = 900  # whatever a provider asks for: a person would rather see the task fail
SWEPT_AT_ONCE = 100


def perform_next_task() -> bool:
    """Claim a task of any workspace and take its turns until it waits or ends; False when none is due."""
    task = leases.claim(Task.objects.in_fair_order, from_state=TaskState.QUEUED, to_state=TaskState.WORKING, count_attempt=False)
    if task is None:
        return False
    try:
        with leases.heartbeat(task) as pulse:
            _take_turns(task, pulse)
    except leases.LeaseLost:
        log.warning("task.lease_lost task=%s", task.pk)
    return True


def _take_turns(task: Task, pulse: leases.Heartbeat) -> None:
    """Until the task leaves this worker. One that is told to end hands the task back between two turns, which costs nothing."""
    while not pulse.stop_requested():
        if stopping.is_stopping():
            with scope(task.workspace_id):
                transitions.leave(task, to_state=TaskState.QUEUED)
                wake("tasks")
            return
        if not _take_turn(task):
            return


def _take_turn(task: Task) -> bool:
    """One step; False when the task has left this worker."""
    step = _open_step(task)
    if step is None:
        return False
    if step.state == StepState.THINKING and not _think(task, step):
        return False
    return _act(task, step)


def _open_step(task: Task) -> Step | None:
    """The step to work on: the one that a crash left open, or a new one if the budget allows it."""
    with scope(task.workspace_id):
        leases.assert_held(task)
        task.refresh_from_db()
        last = task.steps.order_by("-number").first()
        if last is not None and last.state != StepState.DONE:
            return last
        if end := find_end(task, last):
            transitions.leave(task, **end)
            return None
        if task.losses:  # of the step before; this one has harmed nobody yet
            Task.objects.filter(pk=task.pk).update(losses=0)
        step = Step.objects.create(task=task, number=last.number + 1 if last else 1)
        transitions.announce(task, TaskState.WORKING)
        return step


def _think(task: Task, step: Step) -> bool:
    """Ask the model, with no transaction open, and store its reply; False when the task has left."""
    with scope(task.workspace_id):
        leases.assert_held(task)
        if step.model_calls >= MAX_MODEL_CALLS:
            failure = step.problem or f"No reply of the model could be stored in {MAX_MODEL_CALLS} calls."
            transitions.leave(task, to_state=TaskState.FAILED, failure=failure)
            return False
        step.model_calls += 1
        step.save(update_fields=["model_calls"])
        messages, model = conversation(task), task.model
    try:
        answer = complete(model=model, messages=messages, tools=TOOLS)
    except ModelUnavailable as error:
        _model_failed(task, step, error)
        return False
    with scope(task.workspace_id):
        leases.assert_held(task)
        if isinstance(answer, Waiting):
            transitions.leave(task, to_state=TaskState.WAITING, waits_for=WaitsFor.TURN)
            return False
        store_reply(task, step, answer)
    return True


def _model_failed(task: Task, step: Step, error: ModelUnavailable) -> None:
    """Try again later what may pass by itself; end the task, in the provider's terms, otherwise."""
    with scope(task.workspace_id):
        leases.assert_held(task)
        step.problem = error.message
        step.save(update_fields=["problem"])
        if not error.may_pass or step.model_calls >= MAX_MODEL_CALLS:
            transitions.leave(task, to_state=TaskState.FAILED, failure=error.message)
            return
        asked_for = timedelta(seconds=min(error.retry_after or 0, LONGEST_PAUSE_SECONDS))
        pause = max(asked_for, BACKOFF.pause(step.model_calls))
        transitions.leave(task, to_state=TaskState.QUEUED, waits_for=WaitsFor.MODEL, not_before=Now() + pause)


def _act(task: Task, step: Step) -> bool:
    """Carry out the stored reply and store what came of it, in one transaction; False when the task has left."""
    with scope(task.workspace_id):
        leases.assert_held(task)
        if not step.tool:
            transitions.finish_step(step, {})
            return True
        answer = call_tool(task, step)
        if isinstance(answer, Wait):
            Step.objects.filter(pk=step.pk).update(state=StepState.WAITING)
            transitions.leave(task, to_state=TaskState.WAITING, waits_for=answer.waits_for)
            return False
        if isinstance(answer, Completed):
            transitions.finish_step(step, {})
            transitions.leave(task, to_state=TaskState.COMPLETED, summary=answer.summary)
            return False
        transitions.finish_step(step, answer)
        return True


def sweep_tasks() -> int:
    """Put back tasks whose worker has vanished, and end those that have waited longer than they may live."""
    recovered = leases.sweep(lambda: Task.objects.filter(state=TaskState.WORKING), _recover)
    with every_workspace(reason="finding tasks that have waited too long"):
        old = too_old(Task.objects.filter(state=TaskState.WAITING)).values_list("workspace_id", "pk")
        old_ids = list(old[:SWEPT_AT_ONCE])
    return recovered + sum(_end_old(*ids) for ids in old_ids)


def _recover(task: Task) -> None:
    """The open step tells where to go on."""
    working = (TaskState.WORKING,)
    if not outlived_its_workers(task):
        transitions.move(task, from_states=working, to_state=TaskState.QUEUED, losses=F("losses") + 1)
    else:
        failure = f"The worker vanished or failed {MAX_LOSSES} times at the same step; its log says why."
        transitions.move(task, from_states=working, to_state=TaskState.FAILED, failure=failure, losses=F("losses") + 1)


def _end_old(workspace_id: UUID, task_id: UUID) -> int:
    with scope(workspace_id):
        task = Task.objects.get(pk=task_id)
        return int(transitions.move(task, from_states=(TaskState.WAITING,), to_state=TaskState.OVER_BUDGET, failure=TOO_OLD))


def count_due_tasks() -> int:
    return leases.count_due(Task.objects.all, TaskState.QUEUED, most=MESSAGES_PER_LOOK)
