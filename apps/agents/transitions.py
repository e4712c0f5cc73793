"""The one way in which a task changes its state, and how a step that waits goes on."""

from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from apps.agents.models import TERMINAL, Step, StepState, Task, TaskState, WaitsFor
from apps.audit.services import Actor, record
from apps.core import leases
from apps.core.dispatch import wake
from apps.core.events import emit
from apps.core.notify import publish


def leave(task: Task, *, to_state: TaskState, **fields: Any) -> None:
    """The holder of the lease gives the task up: waiting, queued again, or ended.

    Raises:
        leases.LeaseLost
    """
    leases.leave(task, to_state=to_state, **_stamped(to_state, fields))
    announce(task, to_state)


def move(
    task: Task, *, from_states: tuple[TaskState, ...], to_state: TaskState, actor: Actor | None = None, **fields: Any
) -> bool:
    """Change a task that nobody needs to hold; False when it is in none of `from_states` any more."""
    rows = Task.objects.filter(pk=task.pk, state__in=from_states)
    changes = {"lease_until": None, "leased_by": "", **leases.SINCE_NOW, **_stamped(to_state, fields)}
    if rows.update(state=to_state, token=F("token") + 1, **changes) == 0:
        return False
    task.state = to_state
    announce(task, to_state, actor=actor)
    return True


def finish_step(step: Step, observation: dict[str, Any]) -> None:
    """Store what came of the step's call. A step that is done never changes."""
    Step.objects.filter(pk=step.pk).exclude(state=StepState.DONE).update(
        state=StepState.DONE, observation=observation, ended_at=Now()
    )


def resume(step: Step, observation: dict[str, Any]) -> bool:
    """What a waiting step waited for has come: store it and queue the task. False when it no longer waited."""
    waiting = Step.objects.filter(pk=step.pk, state=StepState.WAITING)
    if waiting.update(state=StepState.DONE, observation=observation, ended_at=Now()) == 0:
        return False
    moved = move(step.task, from_states=(TaskState.WAITING,), to_state=TaskState.QUEUED, waits_for=WaitsFor.NOTHING)
    if moved:
        wake("tasks")
    return moved


def announce(task: Task, state: TaskState, *, actor: Actor | None = None) -> None:
    """Tell the pages, the audit trail and, at the end, the apps above."""
    publish(task.workspace_id, f"task.{task.pk.hex}")
    publish(task.workspace_id, "tasks")
    if state in TERMINAL:
        record(actor=actor, action=f"task.{state}", subject=task)
        emit("task.finished", task_id=task.pk, state=str(state))


def _stamped(state: TaskState, fields: dict[str, Any]) -> dict[str, Any]:
    return {"finished_at": Now(), "waits_for": WaitsFor.NOTHING, **fields} if state in TERMINAL else fields
