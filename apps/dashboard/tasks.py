"""Tasks: the list, starting one, one task live, stopping it, answering it, playing its model."""

from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.urls import path

from apps.agents.models import Task, TaskState
from apps.agents.services import answer_question, cancel_task, find_task, play_turn, start_task
from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.filters import search_text, state_filter
from apps.dashboard.forms.tasks import AnswerForm, NewTaskForm, TurnForm
from apps.dashboard.gallery import demos, sample_file
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.dashboard.task_page import told
from apps.dashboard.uploads import store_files
from apps.llm.services import list_models
from apps.runs.services import store_upload
from apps.workspaces.roles import Permission


@page(Permission.VIEW)
def tasks_list(request: PageRequest) -> HttpResponse:
    query, state = search_text(request), state_filter(request, TaskState)
    rows = Task.objects.for_list()
    if query:
        rows = rows.filter(title__icontains=query)
    if state.chosen:
        rows = rows.filter(state=state.chosen)
    context = {"page": paginate(request, rows), "query": query, "state_filter": state.chosen, "state_choices": state.choices}
    return show(request, "tasks/list.html", context, part="results")


@page(Permission.DEVELOP, FORM)
def task_new(request: PageRequest) -> HttpResponse:
    models = list(list_models())
    form = NewTaskForm(request.POST or None, request.FILES or None, models=models)
    status = 200
    if request.method == "POST":
        outcome = attempt(request, lambda: _start(request, form)) if form.is_valid() else None
        if isinstance(outcome, Task):
            return go(request, "task-detail", task_id=outcome.pk, say="The task has started.")
        status = refuse(form, outcome) if outcome else UNPROCESSABLE
    context = {
        "form": form,
        "gallery": demos(),
        "default_model": next((model for model in models if model.is_default), None),
        "upload_limit": settings.UPLOAD_MAX_BYTES,
    }
    return show(request, "tasks/new.html", context, status=status)


def _start(request: PageRequest, form: NewTaskForm) -> Task:
    """With the files that were brought; an example without any works on its own."""
    given, files = form.cleaned_data, store_files(request)
    if given["script"] and not files:
        name, content = sample_file(given["script"])
        files = [store_upload(actor=request.membership, name=name, chunks=[content])]
    return start_task(actor=request.membership, title=given["title"], prompt=given["prompt"], model=given["model"], files=files)


@page(Permission.VIEW)
def task_detail(request: PageRequest, task_id: UUID) -> HttpResponse:
    return show(request, "tasks/detail.html", told(find_task(task_id)), part="live")


@page(Permission.DEVELOP, POST)
def task_cancel(request: PageRequest, task_id: UUID) -> HttpResponse:
    cancel_task(actor=request.membership, task_id=task_id)
    return go(request, "task-detail", task_id=task_id, say="The task is being stopped.")


@page(Permission.DEVELOP, POST)
def task_answer(request: PageRequest, task_id: UUID) -> HttpResponse:
    form = AnswerForm(request.POST)
    status = UNPROCESSABLE
    if form.is_valid():
        outcome = attempt(request, lambda: answer_question(actor=request.membership, task_id=task_id, **form.cleaned_data))
        if not isinstance(outcome, DomainError):
            return go(request, "task-detail", task_id=task_id, say="Answered. The task goes on.")
        status = refuse(form, outcome)
    return show(request, "tasks/detail.html", told(find_task(task_id), answer=form), status=status)


@page(Permission.DEVELOP, POST)
def task_reply(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The person who plays the model gives its next reply."""
    form = TurnForm(request.POST)
    status = UNPROCESSABLE
    if form.is_valid():
        outcome = attempt(request, lambda: play_turn(actor=request.membership, task_id=task_id, **form.cleaned_data))
        if not isinstance(outcome, DomainError):
            return go(request, "task-detail", task_id=task_id)
        status = refuse(form, outcome)
    return show(request, "tasks/detail.html", told(find_task(task_id), turn=form), status=status)


urlpatterns = [
    path("tasks/", tasks_list, name="tasks-list"),
    path("tasks/new", task_new, name="task-new"),
    path("tasks/<uuid:task_id>/", task_detail, name="task-detail"),
    path("tasks/<uuid:task_id>/cancel", task_cancel, name="task-cancel"),
    path("tasks/<uuid:task_id>/answer", task_answer, name="task-answer"),
    path("tasks/<uuid:task_id>/reply", task_reply, name="task-reply"),
]
