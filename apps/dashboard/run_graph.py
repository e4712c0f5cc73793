"""Runs and calls as a picture: what a run started in boxes of their own, and what was called inside each box."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import F, Q
from django.http import HttpResponse, JsonResponse
from django.urls import path, reverse

from apps.dashboard.access import PageRequest, page
from apps.dashboard.pictures import Arrow, Box, Picture, as_svg
from apps.dashboard.respond import show
from apps.dashboard.states import look_of
from apps.dashboard.wording import as_duration
from apps.functions.graph import NoSuchNode
from apps.runs.models import Run, Span
from apps.runs.services import find_run
from apps.workspaces.roles import Permission

MOST_RUNS, MOST_CALLS = 300, 500  # of one picture


@dataclass(frozen=True)
class Tree:
    """The runs below one that nobody's code started, itself included, and the calls of the last attempt of each."""

    runs: dict[str, Run]
    calls: dict[str, Span]
    is_cut: bool

    def caller(self, run_id: object, span_key: str) -> str:
        """The box of a call inside a run; the run itself where there is none."""
        key = _call_key(run_id, span_key)
        return key if key in self.calls else _run_key(run_id)


@page(Permission.VIEW)
def run_graph(request: PageRequest, run_id: UUID) -> HttpResponse:
    run = find_run(run_id)
    tree = _tree(run)
    context = {
        "run": run, "focus_key": _run_key(run.pk), "panel": _panel(tree, _run_key(run.pk)), "is_cut": tree.is_cut,
        "most_runs": MOST_RUNS, "most_calls": MOST_CALLS, "is_open": any(each.is_open for each in tree.runs.values()),
    }  # fmt: skip
    return show(request, "runs/graph.html", context)


@page(Permission.VIEW)
def run_graph_data(request: PageRequest, run_id: UUID) -> HttpResponse:
    """For the script that draws the picture."""
    return JsonResponse(_picture(request, find_run(run_id)).as_json())


@page(Permission.VIEW)
def run_graph_node(request: PageRequest, run_id: UUID) -> HttpResponse:
    """The panel beside the picture; empty while no key says of what."""
    run, key = find_run(run_id), request.GET.get("key", "")
    return show(request, "runs/_graph_panel.html", {"panel": _panel(_tree(run), key) if key else None})


@page(Permission.VIEW)
def run_graph_svg(request: PageRequest, run_id: UUID) -> HttpResponse:
    run = find_run(run_id)
    response = HttpResponse(as_svg(_picture(request, run)), content_type="image/svg+xml")
    response.headers["Content-Disposition"] = f'attachment; filename="run-{run.short_id}.svg"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _tree(run: Run) -> Tree:
    """Two queries."""
    root = run.root_id or run.pk
    rows = list(Run.objects.for_list().filter(Q(pk=root) | Q(root=root)).order_by("id")[: MOST_RUNS + 1])
    runs = {_run_key(row.pk): row for row in rows[:MOST_RUNS]}
    of_last_attempt = Span.objects.filter(run__in=[row.pk for row in runs.values()], attempt=F("run__attempt"))
    spans = list(of_last_attempt.order_by("id")[: MOST_CALLS + 1])
    called = [span for span in spans[:MOST_CALLS] if not _is_entry(span, runs[_run_key(span.run_id)])]
    calls = {_call_key(span.run_id, span.key): span for span in called}
    return Tree(runs, calls, is_cut=len(rows) > MOST_RUNS or len(spans) > MOST_CALLS)


def _is_entry(span: Span, run: Run) -> bool:
    """The call by which a run's own function is entered: the run's box stands for it."""
    return not span.parent_key and span.function_name == run.function.name


def _run_key(run_id: object) -> str:
    return f"run:{run_id}"


def _call_key(run_id: object, key: str) -> str:
    return f"call:{run_id}:{key}"


def _panel(tree: Tree, key: str) -> dict[str, Any]:
    if key in tree.runs:
        return {"run": tree.runs[key]}
    if key in tree.calls:
        return {"call": tree.calls[key], "run": tree.runs[_run_key(tree.calls[key].run_id)]}
    raise NoSuchNode("There is no such run or call in this picture.")


def _picture(request: PageRequest, run: Run) -> Picture:
    tree = _tree(run)
    panel = reverse("run-graph-node", args=[request.workspace.slug, run.pk])
    told = [*((key, *_told_of_run(each)) for key, each in tree.runs.items())]
    told += [(key, *_told_of_call(span)) for key, span in tree.calls.items()]
    boxes = (
        Box(key, name, shape, f"{name}: {shape}, {how}", tone, panel_url=f"{panel}?{urlencode({'key': key})}")
        for key, shape, name, how, tone in told
    )
    return Picture(f"The runs and calls of {run.function.name} {run.short_id}", tuple(boxes), tuple(_arrows(tree)))


def _told_of_run(run: Run) -> tuple[str, str, str, str]:
    """Shape, name, how it is in words, and the tone of that."""
    look = look_of(run.state)
    return "run", run.function.name, _with_time(look.word.lower(), run.seconds), look.tone


def _told_of_call(span: Span) -> tuple[str, str, str, str]:
    how, tone = ("failed", "bad") if span.error else ("not ended", "idle") if span.seconds is None else ("went well", "good")
    return "call", span.function_name, _with_time(how, span.seconds), tone


def _with_time(words: str, seconds: float | None) -> str:
    return words if seconds is None else f"{words}, {as_duration(seconds)}"


def _arrows(tree: Tree) -> Iterator[Arrow]:
    """A call hangs on the one that made it, else on its run; a run on the call that started it, else on its caller's run."""
    for key, span in tree.calls.items():
        caller = tree.caller(span.run_id, span.parent_key)
        yield Arrow(_run_key(span.run_id) if caller == key else caller, key, is_broken=bool(span.error))
    for key, run in tree.runs.items():
        if run.parent_id is None or _run_key(run.parent_id) not in tree.runs:
            continue
        is_told = tree.runs[_run_key(run.parent_id)].attempt == run.parent_attempt  # by calls that are in the picture
        yield Arrow(tree.caller(run.parent_id, run.parent_span) if is_told else _run_key(run.parent_id), key)


urlpatterns = [
    path("runs/<uuid:run_id>/graph/", run_graph, name="run-graph"),
    path("runs/<uuid:run_id>/graph/data", run_graph_data, name="run-graph-data"),
    path("runs/<uuid:run_id>/graph/node", run_graph_node, name="run-graph-node"),
    path("runs/<uuid:run_id>/graph/export.svg", run_graph_svg, name="run-graph-svg"),
]
