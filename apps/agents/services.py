"""Start and cancel tasks, answer what they ask, and play a model's turn by hand."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from apps.agents import transitions
from apps.agents.models import OPEN, Step, StepState, Task, TaskFile, TaskState, WaitsFor
from apps.agents.prompts import opening_message
from apps.agents.replies import problem_of, store_reply
from apps.agents.tools import check_call
from apps.audit.services import record
from apps.core.dispatch import wake
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound
from apps.core.notify import publish
from apps.functions.reader.literals import storable
from apps.llm.models import LanguageModel
from apps.llm.services import default_model, find_model
from apps.llm.types import Reply, ToolCall
from apps.runs.models import Artifact, Run
from apps.runs.services import AlreadyFinished, cancel_run, check_file_names
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require, require_person

PROMPT_CHARACTERS = 20_000
MAX_FILES = 50
NO_QUESTION = "This task does not wait for an answer."
NO_TURN = "It is not a person's turn on this task."


class EmptyPrompt(Invalid):
    code = "empty_prompt"


class BadText(Invalid):
    code = "bad_text"


class BadTurn(Invalid):
    code = "bad_turn"


class TooManyFiles(Invalid):
    code = "too_many_files"


class NoModel(Invalid):
    code = "no_model"


class NoSuchTask(NotFound):
    code = "no_such_task"


class NotWaiting(Conflict):
    code = "not_waiting"


class NotYourTask(Forbidden):
    code = "not_your_task"


class AlreadyEnded(Conflict):
    code = "already_ended"


def start_task(*, actor: Membership, prompt: str, model: LanguageModel, title: str = "", files: Sequence[Artifact] = ()) -> Task:
    """Give an agent something to do. It starts by itself.

    Raises:
        PermissionMissing, EmptyPrompt, BadText, TooManyFiles, SameFileName
    """
    require(actor, Permission.DEVELOP)
    prompt, title = _checked_text(prompt), _checked_text(title)
    if not prompt:
        raise EmptyPrompt("Say what is to be done.")
    _check_files(files)
    task = Task.objects.create(
        state=TaskState.QUEUED,
        title=(title or prompt.splitlines()[0])[:200],
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


def _checked_text(text: str) -> str:
    """What a person wrote, without blanks around it."""
    if len(text) > PROMPT_CHARACTERS:
        raise BadText(f"This is longer than {PROMPT_CHARACTERS} characters: bring long texts as a file.")
    if not storable(text):
        raise BadText("The text contains a NUL or a broken character, which cannot be kept.")
    return text.strip()


def _check_files(files: Sequence[Artifact]) -> None:
    if len(files) > MAX_FILES:
        raise TooManyFiles(f"A task takes at most {MAX_FILES} files.")
    check_file_names(files)


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
    """Stop a task and the run that it waits for, at once: a worker that has it finds its token stale and writes nothing.

    Raises:
        PermissionMissing, NoSuchTask, AlreadyEnded
    """
    require(actor, Permission.DEVELOP)
    task = find_task(task_id)
    _cancel_runs(actor, task)  # before the task: a worker that ends a run locks the run first and the task after it
    failure = f"Cancelled by {actor}."
    if not transitions.move(task, from_states=OPEN, to_state=TaskState.CANCELLED, failure=failure, actor=actor):
        raise AlreadyEnded("This task had already ended.")
    _cancel_runs(actor, task)  # one may have started in between; none can any more
    return task


def _cancel_runs(actor: Membership, task: Task) -> None:
    mine = Run.objects.open().filter(task_id=task.pk, cancel_requested_at=None)
    for run_id in mine.order_by("id").values_list("pk", flat=True):  # callers before what they have started, as rows are locked
        with suppress(AlreadyFinished):
            cancel_run(actor=actor, run_id=run_id)


def answer_question(*, actor: Membership, task_id: UUID, answer: str) -> None:
    """Answer what the agent asked; it goes on by itself.

    Raises:
        PermissionMissing, TokenCannot, NotYourTask, BadText, NoSuchTask, NotWaiting
    """
    _require_starter(actor, task_id)
    answer = _checked_text(answer)
    step = _waiting_step(task_id, WaitsFor.ANSWER)
    record(actor=actor, action="task.answered", subject=step.task)
    if not transitions.resume(step, {"answer": answer}):
        raise NotWaiting(NO_QUESTION)


def play_turn(*, actor: Membership, task_id: UUID, tool: str, arguments: dict[str, Any], text: str = "") -> None:
    """A person gives the next call in the model's stead (the person model).

    Raises:
        PermissionMissing, TokenCannot, NotYourTask, NoSuchTool, ArgumentsDoNotFit, BadTurn, BadText, NoSuchTask, NotWaiting
    """
    _require_starter(actor, task_id)
    reply = _played(tool, arguments, _checked_text(text))
    task = find_task(task_id)
    step = task.steps.select_for_update().filter(state=StepState.THINKING).order_by("-number").first()
    if task.state != TaskState.WAITING or task.waits_for != WaitsFor.TURN or step is None:
        raise NotWaiting(NO_TURN)
    store_reply(task, step, reply)
    record(actor=actor, action="task.turn_played", subject=task, tool=tool)
    if not transitions.move(task, from_states=(TaskState.WAITING,), to_state=TaskState.QUEUED):
        raise NotWaiting(NO_TURN)
    wake("tasks")


def _require_starter(actor: Membership, task_id: UUID) -> None:
    """What an agent does counts as its starter's doing: another's word would act, and ask for packages, in their name."""
    require(actor, Permission.DEVELOP)
    require_person(actor)
    if find_task(task_id).started_by_id != actor.pk:
        raise NotYourTask("Only the person who started this task can speak to its agent.")


def _played(tool: str, arguments: dict[str, Any], text: str) -> Reply:
    """A person's turn, which is refused at once where a model would hear of the problem in its next turn."""
    if not tool:
        return Reply(text=text)
    call = ToolCall(f"person_{uuid4().hex}", tool, arguments)
    check_call(tool, arguments)
    if problem := problem_of(call):
        raise BadTurn(problem)
    return Reply(text=text, tool_calls=(call,))


def _waiting_step(task_id: UUID, waits_for: WaitsFor) -> Step:
    task = find_task(task_id)
    step = task.steps.select_for_update(of=("self",)).select_related("task").filter(state=StepState.WAITING).first()
    if step is None or task.waits_for != waits_for:
        raise NotWaiting(NO_QUESTION)
    return step
