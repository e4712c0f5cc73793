"""Runs: the list, one run live, its log as a file, cancelling it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path

from apps.core.errors import NotFound
from apps.dashboard.access import POST, PageRequest, page
from apps.dashboard.calls import MOST_SPANS, call_tree
from apps.dashboard.events import chain_of_run
from apps.dashboard.filters import search_text, state_filter
from apps.dashboard.limits import run_rows
from apps.dashboard.log_lines import lines_of, text_of_run, text_of_run_later
from apps.dashboard.paging import paginate
from apps.dashboard.previews import previews_of
from apps.dashboard.respond import go, show
from apps.functions.models import Function
from apps.functions.services import get_function
from apps.runs.models import Attempt, Compensation, LogChunk, Run, RunInput, StreamedItem
from apps.runs.services import cancel_run, find_run
from apps.runs.slots import why_waiting
from apps.runs.states import RunState
from apps.workspaces.roles import Permission

MOST_CHILDREN = 200
SHOWN_CONNECTIONS = 50
SHOWN_ITEMS = 20
SHOWN_CHUNKS = 500  # of the end of the log; the download has all of it

HINTS = {
    "digest": "What was stored is not what was frozen on the run, so it was not executed. Tell whoever runs this installation.",
    "lost": "The worker or its box vanished. Nothing is known of what the function had done by then: look before you repeat it.",
    "grants": "Look at the function's hosts and secrets, then run it again.",
    "packages": "Open the packages to see what is wrong with them.",
}
"""What to do where the message does not say it: of a limit or an error of the function, it does."""


class BadFilter(NotFound):
    code = "bad_filter"


@page(Permission.VIEW)
def runs_list(request: PageRequest) -> HttpResponse:
    query, state, function = search_text(request), state_filter(request, RunState), _function_filter(request)
    rows = Run.objects.for_list()
    if query:
        rows = rows.filter(function__name__icontains=query)
    if state.chosen:
        rows = rows.filter(state=state.chosen)
    if function:
        rows = rows.filter(function=function)
    context = {
        "page": paginate(request, rows),
        "query": query,
        "state_filter": state.chosen,
        "state_choices": state.choices,
        "function": function,
    }
    return show(request, "runs/list.html", context, part="results")


@page(Permission.VIEW)
def run_detail(request: PageRequest, run_id: UUID) -> HttpResponse:
    return show(request, "runs/detail.html", _told(request, find_run(run_id)), part="live")


@page(Permission.RUN, POST)
def run_cancel(request: PageRequest, run_id: UUID) -> HttpResponse:
    cancel_run(actor=request.membership, run_id=run_id)
    return go(request, "run-detail", run_id=run_id, say="The run is being cancelled.")


@page(Permission.VIEW)
def run_log_download(request: PageRequest, run_id: UUID) -> HttpResponseBase:
    """All output as one text file, streamed."""
    run = find_run(run_id)
    is_async = isinstance(request, ASGIRequest)  # a synchronous stream would there be read whole into memory first
    text = (text_of_run_later if is_async else text_of_run)(run.workspace_id, run.pk)
    response = StreamingHttpResponse(text, content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="run-{run.short_id}.log"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _function_filter(request: HttpRequest) -> Function | None:
    given = request.GET.get("function", "")
    if not given:
        return None
    try:
        function_id = UUID(given)
    except ValueError:
        raise BadFilter("There is no such function here.") from None
    return get_function(actor=request.membership, function_id=function_id)  # type: ignore[attr-defined]


def _told(request: PageRequest, run: Run) -> dict[str, Any]:
    """All that the page shows, in a fixed number of queries."""
    children = list(Run.objects.for_list().filter(parent=run).order_by("id")[:MOST_CHILDREN])
    attempts = list(run.attempts.order_by("number"))
    compensations = [] if run.state == RunState.SUCCEEDED else _compensations(run)
    return {
        "run": run,
        "children": children,
        "waits_for": why_waiting(run) or _waits_for(attempts),
        **chain_of_run(run),
        "keeps_arguments": run.logging.get("store_arguments", True),
        "lines": lines_of(list(LogChunk.objects.filter(run=run).order_by("-seq")[:SHOWN_CHUNKS])[::-1]),
        "compensations": compensations,
        "goes_on": run.is_open or any(row.is_open for row in compensations),
        "items": [] if run.state == RunState.SUCCEEDED else _last_items(run),
        "spans": call_tree(run.spans.order_by("id")[:MOST_SPANS], children),
        "connections": list(run.connections.order_by("-id")[:SHOWN_CONNECTIONS]),
        "connections_count": run.connections.count(),
        "attempts": attempts,
        "artifacts": previews_of(run.artifacts.order_by("id")),
        "inputs": [link.artifact for link in RunInput.objects.filter(run=run).select_related("artifact").order_by("id")],
        "closure_text": [part["name"] for part in run.closure],
        "message_title": _message_title(run),
        "message_hint": "" if run.is_open else HINTS.get(run.outcome, ""),
        "limits": run_rows(run.limits, run.used, run.limit_reached),
        "may_change_limit": bool(run.limit_reached and not run.function.task_id and request.membership.can(Permission.DEVELOP)),
    }


def _compensations(run: Run) -> list[Compensation]:
    rows = run.compensations.select_related("of__function", "run").order_by("number")
    return list(rows.defer("of__arguments", "of__result", "run__arguments", "run__result")[:MOST_CHILDREN])


def _last_items(run: Run) -> list[StreamedItem]:
    """What its generator gave last, of the attempt that counts."""
    given = StreamedItem.objects.filter(run=run, attempt=run.attempt).order_by("-number")
    return list(given[:SHOWN_ITEMS])[::-1]


def _waits_for(attempts: Sequence[Attempt]) -> str:
    if attempts and attempts[-1].outcome == "error":
        return "Waits for its next attempt"
    return "Waits for a free box"


def _message_title(run: Run) -> str:
    """A run that succeeded has a message too, which is no trouble."""
    if not run.message or run.state == RunState.SUCCEEDED:
        return ""
    return "It has to wait" if run.is_open else "It did not end well"


urlpatterns = [
    path("runs/", runs_list, name="runs-list"),
    path("runs/<uuid:run_id>/", run_detail, name="run-detail"),
    path("runs/<uuid:run_id>/cancel", run_cancel, name="run-cancel"),
    path("runs/<uuid:run_id>/log", run_log_download, name="run-log-download"),
]
