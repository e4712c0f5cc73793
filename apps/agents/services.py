"""Start and cancel tasks, answer what they ask, and play a model's turn by hand."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from apps.agents import transitions
from apps.agents.loop import store_reply
from apps.agents.models import Step, StepState, Task, TaskFile, TaskState, WaitsFor
from apps.agents.prompts import opening_message
from apps.audit.services import record
from apps.core.dispatch import wake
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.notify import publish
from apps.llm.models import LanguageModel
from apps.llm.services import default_model, find_model
from apps.llm.types import Reply, ToolCall
from apps.runs.models import Artifact, Run
from apps.runs.services import cancel_run
from apps.runs.states import OPEN
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require, require_person

PROMPT_CHARACTERS = 20_000


class EmptyPrompt(Invalid):
    code = "empty_prompt"


class NoModel(Invalid):
    code = "no_model"


class NoSuchTask(NotFound):
    code = "no_such_task"


class NotWaiting(Conflict):
    code = "not_waiting"


class AlreadyEnded(Conflict):
    code = "already_ended"


class SameFileName(Invalid):
    code = "same_file_name"


def start_task(*, actor: Membership, prompt: str, model: LanguageModel, title: str = "", files: Sequence[Artifact] = ()) -> Task:
    """Give an agent something to do. It starts by itself.

    Raises:
        PermissionMissing, EmptyPrompt, SameFileName
    """
    require(actor, Permission.DEVELOP)
    prompt = prompt.strip()
    if not prompt or len(prompt) > PROMPT_CHARACTERS:
        raise EmptyPrompt(f"Say what is to be done, in at most {PROMPT_CHARACTERS} characters.")
    if len({file.name for file in files}) < len(files):
        raise SameFileName("Two of the files have the same name: rename one.")
    task = Task.objects.create(
        state=TaskState.QUEUED,
        title=(title.strip() or prompt.splitlines()[0])[:200],
        prompt=prompt,
        opening=opening_message(prompt, files).to_json(),
        model=model,
        started_by=actor,
    )
    TaskFile.objects.bulk_create([TaskFile(task=task, artifact=file) for file in files])
    record(actor=actor, action="task.started", subject=task, model=str(model))
    publish(task.workspace_id, "tasks")
    wake("tasks")
    return task


def model_for_task(model_id: UUID | None) -> LanguageModel:
    """The model that was chosen, or the workspace's default.

    Raises:
        NoSuchModel, NoModel
    """
    model = find_model(model_id=model_id) if model_id else default_model()
    if model is None:
        raise NoModel("No model is chosen here: add one on the models page, or choose the model that a person plays.")
    return model


def find_task(task_id: UUID) -> Task:
    """Raises: NoSuchTask"""
    task = Task.objects.select_related("started_by__user", "model").filter(pk=task_id).first()
    if task is None:
        raise NoSuchTask("There is no such task here.")
    return task


def cancel_task(*, actor: Membership, task_id: UUID) -> Task:
    """Stop a task and the run that it waits for.

    Raises:
        PermissionMissing, NoSuchTask, AlreadyEnded
    """
    require(actor, Permission.DEVELOP)
    task = find_task(task_id)
    record(actor=actor, action="task.cancel_asked", subject=task)
    ended = transitions.move(
        task,
        from_states=(TaskState.QUEUED, TaskState.WAITING),
        to_state=TaskState.CANCELLED,
        failure=f"Cancelled by {actor}.",
        actor=actor,
    )
    asked = ended or Task.objects.filter(pk=task.pk, state=TaskState.WORKING).update(cancel_requested_at=Now())
    if not asked:
        raise AlreadyEnded("This task had already ended.")
    for run in Run.objects.filter(task_id=task.pk, state__in=OPEN):
        cancel_run(actor=actor, run_id=run.pk)
    return task


def answer_question(*, actor: Membership, task_id: UUID, answer: str) -> None:
    """Answer what the agent asked; it goes on by itself.

    Raises:
        PermissionMissing, TokenCannot, NoSuchTask, NotWaiting
    """
    require(actor, Permission.DEVELOP)
    require_person(actor)
    step = _waiting_step(task_id, WaitsFor.ANSWER)
    record(actor=actor, action="task.answered", subject=step.task)
    transitions.resume(step, {"answer": answer[:PROMPT_CHARACTERS]})


def play_turn(*, actor: Membership, task_id: UUID, tool: str, arguments: dict[str, Any], text: str = "") -> None:
    """A person gives the next call in the model's stead (the person model).

    Raises:
        PermissionMissing, TokenCannot, NoSuchTask, NotWaiting
    """
    require(actor, Permission.DEVELOP)
    require_person(actor)
    task = find_task(task_id)
    step = task.steps.select_for_update().filter(state=StepState.THINKING).order_by("-number").first()
    if task.state != TaskState.WAITING or task.waits_for != WaitsFor.TURN or step is None:
        raise NotWaiting("It is not a person's turn on this task.")
    calls = (ToolCall(f"person_{step.number}", tool, arguments),) if tool else ()
    store_reply(task, step, Reply(text=text, tool_calls=calls))
    record(actor=actor, action="task.turn_played", subject=task, tool=tool)
    transitions.move(task, from_states=(TaskState.WAITING,), to_state=TaskState.QUEUED, waits_for=WaitsFor.NOTHING)
    wake("tasks")


def _waiting_step(task_id: UUID, waits_for: WaitsFor) -> Step:
    task = find_task(task_id)
    step = task.steps.select_for_update(of=("self",)).select_related("task").filter(state=StepState.WAITING).first()
    if step is None or task.waits_for != waits_for:
        raise NotWaiting("This task does not wait for an answer.")
    return step
