"""What is done with many runs at once: asking for it with the count in front of one, how far it has come, what could not be."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.urls import path
from django.utils.http import urlencode

from apps.core.errors import DomainError, Invalid
from apps.dashboard.access import FORM, PageRequest, page
from apps.dashboard.paging import paginate
from apps.dashboard.respond import attempt, go, show
from apps.runs.bulk import MOST_RUNS, count_matching, find_bulk_action, request_bulk
from apps.runs.bulk_actions import BulkAction, BulkKind
from apps.runs.filters import RunFilter, read_run_filter
from apps.runs.models import Run
from apps.workspaces.roles import Permission

SHOWN_CHOSEN = 50
MOST_CHOSEN = 200  # one by one; all that a filter finds may be more


class BadChoice(Invalid):
    code = "bad_choice"


@page(Permission.VIEW)
def bulk_list(request: PageRequest) -> HttpResponse:
    rows = BulkAction.objects.select_related("asked_by__user").defer("run_ids")
    return show(request, "bulk/list.html", {"page": paginate(request, rows)}, part="results")


@page(Permission.RUN, FORM)
def bulk_new(request: PageRequest) -> HttpResponse:
    """Of the runs that the address names, or of all that its filter finds."""
    given = request.POST if request.method == "POST" else request.GET
    outcome = attempt(request, lambda: _ask(request, given) if request.method == "POST" else None)
    if isinstance(outcome, BulkAction):
        return go(request, "runs-bulk-detail", bulk_id=outcome.pk, say="It is being done.")
    told = attempt(request, lambda: _told(given))
    refusal = outcome or (told if isinstance(told, DomainError) else None)
    context = {"refusal": refusal.message if refusal else "", **({} if isinstance(told, DomainError) else told)}
    return show(request, "bulk/new.html", context, status=refusal.status if refusal else 200)


@page(Permission.VIEW)
def bulk_detail(request: PageRequest, bulk_id: UUID) -> HttpResponse:
    action = find_bulk_action(bulk_id)
    runs = Run.objects.for_list().in_bulk([UUID(each["run"]) for each in action.failures])
    failures = [(runs.get(UUID(each["run"])), each) for each in action.failures]
    return show(request, "bulk/detail.html", {"action": action, "failures": failures, "words": _in_words(action)}, part="live")


def _ask(request: PageRequest, given: Any) -> BulkAction:
    """Not more than the page has shown: what has come to match since is asked about anew."""
    wanted, run_ids = _chosen(given)
    kind = _kind(given)
    if wanted and count_matching(wanted, kind) > _whole(given.get("count", "")):
        raise BadChoice("More runs match now than when you opened this page. Look at the count again.")
    return request_bulk(
        actor=request.membership,
        kind=kind,
        run_ids=run_ids,
        wanted=wanted,
        with_active_version=given.get("with") == "active",
        idempotency_key=given.get("key", "")[:100] or None,
    )


def _told(given: Any) -> dict[str, Any]:
    """Raises: BadChoice, BadFilter, FilterTooSlow."""
    wanted, run_ids = _chosen(given)
    kind = _kind(given)
    chosen = list(Run.objects.for_list().filter(pk__in=run_ids)) if run_ids else []
    count = count_matching(wanted, kind) if wanted else len(chosen)
    return {
        "kind": kind,
        "count": count,
        "is_too_many": count > MOST_RUNS,
        "most": MOST_RUNS,
        "all": wanted is not None,
        "filter": wanted.written().items() if wanted else [],
        "back_query": urlencode(wanted.written()) if wanted else "",
        "chosen": chosen[:SHOWN_CHOSEN],
        "run_ids": [run.pk for run in chosen],
        "key": given.get("key", "")[:100] or str(uuid4()),
    }


def _chosen(given: Any) -> tuple[RunFilter | None, Sequence[UUID]]:
    """A filter, or the runs themselves.

    Raises:
        BadChoice
    """
    if given.get("all"):
        return read_run_filter(_texts(given)), []
    try:
        run_ids = [UUID(text) for text in given.getlist("run")]
    except ValueError:
        raise BadChoice("One of these is no run.") from None
    if not run_ids:
        raise BadChoice("Choose runs in the list first, or all that match.")
    if len(run_ids) > MOST_CHOSEN:
        raise BadChoice(f"Choose {MOST_CHOSEN} runs at most one by one, or all that match a filter.")
    return None, run_ids


def _texts(given: Any) -> Mapping[str, str]:
    return {name: str(value) for name, value in given.items()}


def _kind(given: Any) -> BulkKind:
    try:
        return BulkKind(given.get("kind", ""))
    except ValueError:
        raise BadChoice("Runs can be cancelled, or run again.") from None


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _in_words(action: BulkAction) -> str:
    verb = "Cancel" if action.kind == BulkKind.CANCEL else "Run again"
    return f"{verb} {action.count:,} run{'' if action.count == 1 else 's'}"


urlpatterns = [
    path("runs/bulk/", bulk_list, name="runs-bulk"),
    path("runs/bulk/new", bulk_new, name="runs-bulk-new"),
    path("runs/bulk/<uuid:bulk_id>/", bulk_detail, name="runs-bulk-detail"),
]
