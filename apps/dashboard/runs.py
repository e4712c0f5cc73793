"""One run: its page, live, its log as a file, cancelling it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path

from apps.dashboard.access import POST, PageRequest, page
from apps.dashboard.calls import MOST_SPANS, call_tree
from apps.dashboard.events import chain_of_run
from apps.dashboard.limits import run_rows
from apps.dashboard.log_lines import lines_of, text_of_run, text_of_run_later
from apps.dashboard.previews import previews_of
from apps.dashboard.respond import go, show
from apps.dashboard.run_chain import MOST_DELIVERIES, chain_around
from apps.runs.model_calls import spent_by
from apps.runs.models import Attempt, Compensation, LogChunk, Run, StreamedItem
from apps.runs.restart import changed_arguments, files_of, keeps_arguments
from apps.runs.services import cancel_run, find_run
from apps.runs.slots import why_waiting
from apps.runs.states import RunState
from apps.workspaces.roles import Permission

MOST_CHILDREN = 200
SHOWN_CONNECTIONS = 50
SHOWN_ITEMS = 20
SHOWN_RESTARTS = 20
SHOWN_MODEL_CALLS = 50
SHOWN_CHUNKS = 500  # of the end of the log; the download has all of it

HINTS = {
    "digest": "What was stored is not what was frozen on the run, so it was not executed. Tell whoever runs this installation.",
    "lost": "The worker or its box vanished. Nothing is known of what the function had done by then: look before you repeat it.",
    "grants": "Look at the function's hosts, secrets and models, then run it again.",
    "packages": "Open the packages to see what is wrong with them.",
}
"""What to do where the message does not say it: of a limit or an error of the function, it does."""


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


def _told(request: PageRequest, run: Run) -> dict[str, Any]:
    """All that the page shows, in a fixed number of queries."""
    children = list(Run.objects.for_list().filter(parent=run).order_by("id")[:MOST_CHILDREN])
    attempts = list(run.attempts.order_by("number"))
    model_calls, spent = list(run.model_calls.order_by("-id")[:SHOWN_MODEL_CALLS]), spent_by(run)
    compensations = [] if run.state == RunState.SUCCEEDED else _compensations(run)
    return {
        "run": run,
        "children": children,
        "waits_for": why_waiting(run) or _waits_for(attempts),
        **_chain(run),
        "keeps_arguments": keeps_arguments(run),
        **_repeats(run),
        "lines": lines_of(list(LogChunk.objects.filter(run=run).order_by("-seq")[:SHOWN_CHUNKS])[::-1]),
        "compensations": compensations,
        "goes_on": run.is_open or any(row.is_open for row in compensations),
        "items": [] if run.state == RunState.SUCCEEDED else _last_items(run),
        "spans": call_tree(run.spans.order_by("id")[:MOST_SPANS], children),
        "connections": list(run.connections.order_by("-id")[:SHOWN_CONNECTIONS]),
        "connections_count": run.connections.count(),
        "model_calls": model_calls,
        "model_calls_count": spent.calls,
        "attempts": attempts,
        "artifacts": previews_of(run.artifacts.order_by("id")),
        "inputs": files_of(run),
        "closure_text": [part["name"] for part in run.closure],
        "message_title": _message_title(run),
        "message_hint": "" if run.is_open else HINTS.get(run.outcome, ""),
        "limits": run_rows(run.limits, {**run.used, **spent.as_used()}, run.limit_reached),
        "may_change_limit": bool(run.limit_reached and not run.function.task_id and request.membership.can(Permission.DEVELOP)),
    }


def _compensations(run: Run) -> list[Compensation]:
    rows = run.compensations.select_related("of__function", "run").order_by("number")
    return list(rows.defer("of__arguments", "of__result", "run__arguments", "run__result")[:MOST_CHILDREN])


def _last_items(run: Run) -> list[StreamedItem]:
    """What its generator gave last, of the attempt that counts."""
    given = StreamedItem.objects.filter(run=run, attempt=run.attempt).order_by("-number")
    return list(given[:SHOWN_ITEMS])[::-1]


def _chain(run: Run) -> dict[str, Any]:
    """What a rule had to do with it. The picture stands where there is a chain to be drawn."""
    told = chain_of_run(run)
    chain = chain_around(run)
    return {**told, "chain": chain if chain.deliveries else None, "most_deliveries": MOST_DELIVERIES}


def _repeats(run: Run) -> dict[str, Any]:
    """The run that it repeats and what differs, and those that repeat it."""
    related = Run.objects.select_related("function", "version").defer("version__source", "closure", "result")
    earlier = related.filter(pk=run.restarted_from_id).first() if run.restarted_from_id else None
    return {
        "restarted_from": earlier,
        "changed_arguments": changed_arguments(earlier, run) if earlier else [],
        "restarts": list(Run.objects.for_list().filter(restarted_from=run)[:SHOWN_RESTARTS]),
    }


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
    path("runs/<uuid:run_id>/", run_detail, name="run-detail"),
    path("runs/<uuid:run_id>/cancel", run_cancel, name="run-cancel"),
    path("runs/<uuid:run_id>/log", run_log_download, name="run-log-download"),
]
