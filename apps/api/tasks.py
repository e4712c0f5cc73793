"""Tasks for agents."""

from uuid import UUID

from ninja import Router, Schema, Status

from apps.agents.models import Task
from apps.agents.services import answer_question, cancel_task, find_task, model_for_task, start_task
from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import ArtifactOut, Page, StepOut, TaskDetailOut, TaskIn, TaskOut
from apps.runs.models import Artifact
from apps.runs.services import find_artifact
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


class AnswerIn(Schema):
    answer: str


@router.get("", response=Page[TaskOut], summary="Tasks, newest first")
@in_scope
def list_tasks(request: ApiRequest, after: UUID | None = None, limit: int = USUAL) -> object:
    require(request.membership, Permission.VIEW)
    return page_of(Task.objects.select_related("model"), after=after, limit=limit, show=TaskOut.of)


@router.post("", response={201: TaskOut}, summary="Give an agent something to do")
@in_scope
def create(request: ApiRequest, body: TaskIn) -> Status[TaskOut]:
    task = start_task(
        actor=request.membership,
        prompt=body.prompt,
        title=body.title,
        model=model_for_task(body.model),
        files=[find_artifact(file_id) for file_id in body.files],
    )
    return Status(201, TaskOut.of(task))


@router.get("/{task_id}", response=TaskDetailOut, summary="One task with its steps")
@in_scope
def show(request: ApiRequest, task_id: UUID) -> TaskDetailOut:
    task = find_task(task_id)
    artifacts = Artifact.objects.filter(task_id=task.pk, uploaded_by=None).order_by("id")
    return TaskDetailOut(
        **TaskOut.of(task).dict(),
        prompt=task.prompt,
        steps=[StepOut.of(step) for step in task.steps.order_by("number")],
        artifacts=[ArtifactOut.of(artifact) for artifact in artifacts],
    )


@router.post("/{task_id}/cancel", response=TaskOut, summary="Stop a task")
@in_scope
def cancel(request: ApiRequest, task_id: UUID) -> TaskOut:
    cancel_task(actor=request.membership, task_id=task_id)
    return TaskOut.of(find_task(task_id))


@router.post("/{task_id}/answer", response=TaskOut, summary="Answer what the agent asked (people only)")
@in_scope
def answer(request: ApiRequest, task_id: UUID, body: AnswerIn) -> TaskOut:
    answer_question(actor=request.membership, task_id=task_id, answer=body.answer)
    return TaskOut.of(find_task(task_id))
