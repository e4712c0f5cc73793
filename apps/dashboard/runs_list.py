"""The list of runs: filters that can be combined, a plot of how long they took, and what may be done with many of them."""

from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.http import urlencode

from apps.core.errors import DomainError
from apps.core.patience import patience
from apps.dashboard.access import PageRequest, page
from apps.dashboard.paging import Page, paginate
from apps.dashboard.respond import attempt, show
from apps.dashboard.runs_filter import Asked, asked_for, form_of
from apps.dashboard.scatter import scatter_of
from apps.runs.bulk_actions import BulkAction, BulkState
from apps.runs.filters import TOO_SLOW
from apps.runs.models import Run
from apps.workspaces.roles import Permission

LOG, LINEAR = "log", "linear"
SHOWN_BULK = 3


@page(Permission.VIEW)
def runs_list(request: PageRequest) -> HttpResponse:
    """A filter that makes no sense, or takes too long, is told above an empty list."""
    asked = asked_for(request)
    looked = None if asked.refusal else attempt(request, lambda: _found(request, asked))
    found = asked.refusal or looked or _nothing()
    refusal = found if isinstance(found, DomainError) else None
    context = {
        **(_nothing() if isinstance(found, DomainError) else found),
        **form_of(request, asked),
        "function": asked.function,
        "refusal": refusal.message if refusal else "",
        "scales": _scales(request),
        "filter_query": _filter_query(asked),
        "at_work": BulkAction.objects.defer("run_ids").exclude(state=BulkState.DONE).order_by("-id")[:SHOWN_BULK],
    }
    return show(request, "runs/list.html", context, part="results", status=refusal.status if refusal else 200)


def _found(request: PageRequest, asked: Asked) -> dict[str, Any]:
    """The page is found among runs alone: a planner that knows little of the other tables must not begin with them."""
    rows = asked.wanted.rows()
    with patience(TOO_SLOW):
        found = paginate(request, rows.only("pk"))
        plot = scatter_of(rows, now=timezone.now(), is_log=request.GET.get("scale") == LOG)
    whole = Run.objects.for_list().in_bulk([row.pk for row in found.rows])
    return {"page": replace(found, rows=[whole[row.pk] for row in found.rows if row.pk in whole]), "plot": plot}


def _nothing() -> dict[str, Any]:
    return {"page": Page([], None, None), "plot": None}


def _scales(request: PageRequest) -> list[tuple[str, str, bool]]:
    """Address, name, and whether it is the one that is shown."""
    chosen = LOG if request.GET.get("scale") == LOG else LINEAR
    scales = []
    for scale, words in ((LINEAR, "Linear"), (LOG, "Logarithmic")):
        parameters = request.GET.copy()
        parameters["scale"] = scale
        scales.append((f"?{parameters.urlencode()}", words, scale == chosen))
    return scales


def _filter_query(asked: Asked) -> str:
    """What the pages for many runs are told of the filter."""
    return urlencode(asked.wanted.written())


urlpatterns = [path("runs/", runs_list, name="runs-list")]
