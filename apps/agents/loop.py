"""The agent's loop: think, decide, act; wait without a worker; go on after a crash from the row that was written last.

A step passes thinking → decided → (waiting →) done. The reply is stored before anything is done with it, and what it
does is stored in the transaction that marks it as done: so a crash repeats a model call at most, and never an act.
"""

import logging
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from apps.agents import transitions
from apps.agents.models import Step, StepState, Task, TaskState, WaitsFor
from apps.agents.prompts import TOOLS, conversation
from apps.agents.tools import Completed, Wait, call_tool
from apps.core import leases
from apps.core.tenancy import every_workspace, scope
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.services import complete
from apps.llm.types import Reply, Waiting

log = logging.getLogger(__name__)
MAX_MODEL_CALLS = 4  # tries at one reply, for whatever reason
MAX_IDLE_TURNS = 3  # turns in a row without a usable call
MAX_REPEATS = 3  # the same call, to the letter, with the same end
RETRIED = (Failure.UNREACHABLE, Failure.RATE_LIMITED, Failure.TIMED_OUT, Failure.BAD_REPLY)
BACKOFF_SECONDS = (2, 5, 15)


def perform_next_task() -> bool:
    """Claim a task of any workspace and take its turns until it waits or ends; False when none is due."""
    task = leases.claim(
        lambda: Task.objects.order_by("id"), from_state=TaskState.QUEUED, to_state=TaskState.WORKING, count_attempt=False
    )
    if task is None:
        return False
    try:
        with leases.heartbeat(task) as pulse:
            while not pulse.lost.is_set() and _take_turn(task):
                pass
    except leases.LeaseLost:
        log.warning("task.lease_lost task=%s", task.pk)
    return True


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
        if task.cancel_requested_at:
            transitions.leave(task, to_state=TaskState.CANCELLED)
            return None
        last = task.steps.order_by("-number").first()
        if last is not None and last.state != StepState.DONE:
            return last
        if end := _must_end(task, last):
            transitions.leave(task, **end)
            return None
        step = Step.objects.create(task=task, number=last.number + 1 if last else 1)
        transitions.announce(task, TaskState.WORKING)
        return step


def _must_end(task: Task, last: Step | None) -> dict[str, Any] | None:
    """Why the task may not take another turn, as the fields of its end."""
    over = TaskState.OVER_BUDGET
    if last is not None and last.number >= task.max_steps:
        return {"to_state": over, "failure": f"It took {task.max_steps} turns without coming to an end."}
    if task.tokens_used >= task.max_tokens:
        return {"to_state": over, "failure": f"It used {task.tokens_used} tokens; {task.max_tokens} were allowed."}
    if task.cost_usd >= task.max_cost_usd:
        return {"to_state": over, "failure": f"It cost ${task.cost_usd:.2f}; ${task.max_cost_usd:.2f} were allowed."}
    if Task.objects.filter(pk=task.pk, created_at__lt=Now() - task.max_age).exists():
        return {"to_state": over, "failure": "It became older than it may."}
    return _stuck(task)


def _stuck(task: Task) -> dict[str, Any] | None:
    """The end of a task whose model says nothing usable, or does the same over and over."""
    recent = list(task.steps.order_by("-number")[:MAX_IDLE_TURNS])
    if len(recent) == MAX_IDLE_TURNS and not any(step.tool for step in recent):
        return {"to_state": TaskState.FAILED, "failure": recent[0].problem or "The model answered without calling a tool."}
    if recent and recent[0].tool:
        same = task.steps.filter(tool=recent[0].tool, arguments=recent[0].arguments, observation=recent[0].observation)
        if same.count() >= MAX_REPEATS:
            return {"to_state": TaskState.FAILED, "failure": f"It called {recent[0].tool} {MAX_REPEATS} times with the same end."}
    return None


def _think(task: Task, step: Step) -> bool:
    """Ask the model, with no transaction open, and store its reply; False when the task has left."""
    with scope(task.workspace_id):
        leases.assert_held(task)
        if step.model_calls >= MAX_MODEL_CALLS:
            transitions.leave(task, to_state=TaskState.FAILED, failure=step.problem or "The model could not be reached.")
            return False
        Step.objects.filter(pk=step.pk).update(model_calls=F("model_calls") + 1)
        messages, model = conversation(task), task.model
    try:
        with_answer = complete(model=model, messages=messages, tools=TOOLS)
    except ModelUnavailable as error:
        _model_failed(task, step, error)
        return False
    with scope(task.workspace_id):
        leases.assert_held(task)
        if isinstance(with_answer, Waiting):
            transitions.leave(task, to_state=TaskState.WAITING, waits_for=WaitsFor.TURN)
            return False
        store_reply(task, step, with_answer)
    return True


def store_reply(task: Task, step: Step, reply: Reply) -> None:
    """Keep the reply, its one call and its cost, before anything is done with it."""
    reply = _with_one_call(reply)
    call = reply.tool_calls[0] if reply.tool_calls else None
    usage = reply.usage
    step.tool, step.arguments = (call.name[:60], call.arguments) if call else ("", {})
    step.state, step.text, step.reply, step.problem = StepState.DECIDED, reply.text, reply.to_json(), reply.problem or ""
    step.input_tokens, step.output_tokens, step.cost_usd = usage.input_tokens, usage.output_tokens, usage.cost_usd
    step.save(
        update_fields=["tool", "arguments", "state", "text", "reply", "problem", "input_tokens", "output_tokens", "cost_usd"]
    )
    spent = usage.input_tokens + usage.output_tokens
    Task.objects.filter(pk=task.pk).update(
        tokens_used=F("tokens_used") + spent,
        cost_usd=F("cost_usd") + (usage.cost_usd or 0),
        cost_is_known=task.cost_is_known and (usage.cost_usd is not None or spent == 0),
    )
    transitions.announce(task, TaskState.WORKING)


def _with_one_call(reply: Reply) -> Reply:
    """A turn is one call: further ones are dropped, so that each call sees what came of the one before."""
    return Reply(reply.text, reply.tool_calls[:1], reply.usage, reply.problem)


def _model_failed(task: Task, step: Step, error: ModelUnavailable) -> None:
    """Try again later what may pass by itself; end the task, in the provider's terms, otherwise."""
    calls = step.model_calls + 1
    with scope(task.workspace_id):
        leases.assert_held(task)
        Step.objects.filter(pk=step.pk).update(problem=error.message)
        if error.kind not in RETRIED or calls >= MAX_MODEL_CALLS:
            transitions.leave(task, to_state=TaskState.FAILED, failure=error.message)
            return
        pause = max(error.retry_after or 0, BACKOFF_SECONDS[calls - 1])
        transitions.leave(task, to_state=TaskState.QUEUED, waits_for=WaitsFor.MODEL, not_before=Now() + timedelta(seconds=pause))


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


def sweep_lost_tasks() -> int:
    """Tasks whose worker has vanished go back into the queue; their open step tells where to go on."""
    with every_workspace(reason="finding tasks whose worker has vanished"):
        lost = [(task.workspace_id, task.pk) for task in leases.expired(Task.objects.filter(state=TaskState.WORKING))[:100]]
    return sum(_recover(workspace_id, task_id) for workspace_id, task_id in lost)


def _recover(workspace_id: Any, task_id: Any) -> int:
    with scope(workspace_id):
        task = leases.expired(Task.objects.filter(pk=task_id, state=TaskState.WORKING)).first()
        if task is None:
            return 0
        transitions.move(task, from_states=(TaskState.WORKING,), to_state=TaskState.QUEUED, losses=F("losses") + 1)
        return 1


def count_due_tasks() -> int:
    with every_workspace(reason="the scheduler counts what is due"):
        return leases.due(Task.objects.all(), TaskState.QUEUED).count()
