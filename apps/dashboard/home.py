"""Home: what waits for me, what goes on, what failed lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Now
from django.http import HttpResponse
from django.urls import path, reverse

from apps.agents.models import Task, TaskState, WaitsFor
from apps.approvals.services import requests_waiting_for
from apps.dashboard.access import PageRequest, page
from apps.dashboard.respond import show
from apps.dashboard.task_page import WAITS
from apps.functions.models import Function
from apps.llm.services import default_model
from apps.runs.models import Run
from apps.runs.states import FAILED
from apps.workspaces.roles import Permission

SHOWN = 8
LATELY = timedelta(days=7)
OPEN_TASKS = (TaskState.QUEUED, TaskState.WORKING, TaskState.WAITING)
FAILED_TASKS = (TaskState.FAILED, TaskState.OVER_BUDGET)
FOR_ME = (WaitsFor.ANSWER, WaitsFor.TURN)  # packages wait for others: nobody decides on what they asked for


@dataclass(frozen=True)
class OwnTask:
    """A task of mine that cannot go on before somebody does something."""

    id: object
    title: str
    state: str
    waiting_for: str


@dataclass(frozen=True)
class Failure:
    """A task or a run that failed; runs of tasks are told by their task."""

    url: str
    title: str
    state: str
    message: str
    at: datetime


@page(Permission.VIEW)
def home(request: PageRequest) -> HttpResponse:
    tasks = Task.objects.for_list()
    context = {
        "waiting": requests_waiting_for(request.membership)[:SHOWN],
        "own_waiting": _own_waiting(request),
        "working": tasks.filter(state__in=OPEN_TASKS)[:SHOWN],
        "open_runs": Run.objects.for_list().open().filter(task_id=None)[:SHOWN],
        "failed": _failed(request.workspace.slug),
        "task_count": int(Task.objects.exists()),
        "function_count": int(Function.objects.library().exists()),
        "model": default_model(),
    }
    return show(request, "home/index.html", context, part="board")


def _own_waiting(request: PageRequest) -> list[OwnTask]:
    rows = Task.objects.filter(started_by=request.membership, state=TaskState.WAITING, waits_for__in=FOR_ME).order_by("-id")
    return [OwnTask(task.pk, task.title, task.state, WAITS[WaitsFor(task.waits_for)]) for task in rows[:SHOWN]]


def _failed(slug: str) -> list[Failure]:
    since = Now() - LATELY
    tasks = Task.objects.filter(state__in=FAILED_TASKS, finished_at__gt=since).order_by("-finished_at")[:SHOWN]
    runs = Run.objects.filter(task_id=None, state__in=FAILED, finished_at__gt=since).select_related("function")
    failures = [
        Failure(reverse("task-detail", args=[slug, task.pk]), task.title, task.state, task.failure, task.finished_at)
        for task in tasks
        if task.finished_at
    ]
    failures += [
        Failure(reverse("run-detail", args=[slug, run.pk]), run.function.name, run.state, _why(run), run.finished_at)
        for run in runs.order_by("-finished_at")[:SHOWN]
        if run.finished_at
    ]
    return sorted(failures, key=lambda failure: failure.at, reverse=True)[:SHOWN]


def _why(run: Run) -> str:
    return str(run.error["message"]) if run.error else run.message


urlpatterns = [path("", home, name="home")]
