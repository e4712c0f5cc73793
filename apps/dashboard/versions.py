"""The life of a function's versions: history, comparison, activation; who uses the function; archive and deletion."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.diffs import shown_comparison
from apps.dashboard.forms.functions import DeletionForm
from apps.dashboard.functions import NoSuchPage, newest_version
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.functions.activation import activate_version, roll_back
from apps.functions.archive import archive_function, unarchive_function
from apps.functions.comparison import compare
from apps.functions.impact import Impact, impact_of
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import NoSuchVersion, compare_versions, get_function, get_version
from apps.runs.models import Run
from apps.runs.removal import MOST_RUNS, delete_function
from apps.workspaces.roles import Permission

NAMED_USERS = 10


@page(Permission.VIEW)
def function_versions(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    rows: QuerySet[FunctionVersion] = FunctionVersion.objects.filter(function=function).select_related("function").defer("source")
    newest, active = newest_version(function), function.active_version
    before = active.number if active and active != newest else max(1, newest.number - 1)
    told = {"function": function, "page": paginate(request, rows), "newest": newest, "before": before}
    return show(request, "functions/versions.html", told)


@page(Permission.VIEW)
def function_diff(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    numbers = {name: _number(request, name) for name in ("before", "after")}
    compared = compare_versions(actor=request.membership, function=function, **numbers)
    both = (compared.old, compared.new)
    told = {
        "function": function,
        "old": compared.old,
        "new": compared.new,
        "both": both,
        "titles": [f"Version {version.number}" for version in both],
        "comparison": shown_comparison(compared),
    }
    return show(request, "functions/diff.html", told)


@page(Permission.VIEW)
def function_users(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    impact = impact_of(function)
    rows = impact.functions().defer("active_version__source")
    return show(request, "functions/users.html", {"function": function, "impact": impact, "page": paginate(request, rows)})


@page(Permission.DEVELOP, FORM)
def version_activate(request: PageRequest, function_id: UUID, version_id: UUID) -> HttpResponse:
    """Asks with all that it would change in view, then does it. Going back to an earlier version is the same page."""
    function, version = function_and_version(request, function_id, version_id)
    active = function.active_version
    is_back = active is not None and version.number < active.number and version.activated_at is not None
    refusal = None
    if request.method == "POST":
        act = roll_back if is_back else activate_version
        seen = _number(request, "instead_of")
        outcome = attempt(request, lambda: act(actor=request.membership, version=version, instead_of=seen))
        if isinstance(outcome, FunctionVersion):
            return go(request, "function-detail", function_id=function_id, say=f"Version {version.number} is active.")
        refusal = outcome
    told = {
        "function": function,
        "version": version,
        "active": active,
        "is_back": is_back,
        "comparison": shown_comparison(compare(active, version)) if active else None,
        "refusal": refusal,
        **_told_of_users(function),
    }
    return show(request, "functions/activate.html", told, status=refusal.status if refusal else 200)


@page(Permission.DEVELOP, FORM)
def function_archive(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    refusal = None
    if request.method == "POST":
        outcome = attempt(request, lambda: archive_function(actor=request.membership, function=function))
        if isinstance(outcome, Function):
            return go(request, "function-detail", function_id=function_id, say=f"{function.name} is archived.")
        refusal = outcome
    told = {"function": function, "refusal": refusal, **_told_of_users(function)}
    return show(request, "functions/archive.html", told, status=refusal.status if refusal else 200)


@page(Permission.DEVELOP, POST)
def function_unarchive(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    outcome = attempt(request, lambda: unarchive_function(actor=request.membership, function=function))
    if isinstance(outcome, DomainError):
        told = {"function": function, "refusal": outcome, **_told_of_users(function)}
        return show(request, "functions/archive.html", told, status=outcome.status)
    return go(request, "function-detail", function_id=function_id, say=f"{function.name} is back in the library.")


@page(Permission.ADMINISTER, FORM)
def function_delete(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    form, status = DeletionForm(request.POST or None), 200
    if request.method == "POST":
        status = UNPROCESSABLE
        if form.is_valid() and form.cleaned_data["name"] != function.name:
            form.add_error("name", "This is not its name.")
        if form.is_valid():
            outcome = attempt(request, lambda: delete_function(actor=request.membership, function=function))
            if isinstance(outcome, int):
                return go(request, "functions-list", say=f"{function.name} is deleted, with {outcome} of its runs.")
            status = refuse(form, outcome)
    told = {
        "function": function,
        "form": form,
        "versions": FunctionVersion.objects.filter(function=function).count(),
        "runs": Run.objects.filter(function=function)[: MOST_RUNS + 1].count(),
        "most_runs": MOST_RUNS,
    }
    return show(request, "functions/delete.html", told, status=status)


def _told_of_users(function: Function) -> dict[str, Impact | QuerySet[Function]]:
    impact = impact_of(function)
    users = impact.functions().defer("active_version__source")
    return {"impact": impact, "users": users[:NAMED_USERS]}


def function_and_version(request: PageRequest, function_id: UUID, version_id: UUID) -> tuple[Function, FunctionVersion]:
    """Both, if they belong together.

    Raises:
        NoSuchFunction, NoSuchVersion
    """
    function = get_function(actor=request.membership, function_id=function_id)
    version = get_version(actor=request.membership, version_id=version_id)
    if version.function_id != function.pk:
        raise NoSuchVersion("There is no such version here.")
    return function, version


def _number(request: PageRequest, name: str) -> int | None:
    """A version's number from the address or the form; None when it is not there."""
    given = (request.POST if request.method == "POST" else request.GET).get(name, "").strip()
    if given and not (given.isascii() and given.isdigit() and len(given) < 10):
        raise NoSuchPage("There is no such version here.")
    return int(given) if given else None


urlpatterns = [
    path("functions/<uuid:function_id>/versions", function_versions, name="function-versions"),
    path("functions/<uuid:function_id>/versions/<uuid:version_id>/activate", version_activate, name="function-activate"),
    path("functions/<uuid:function_id>/diff", function_diff, name="function-diff"),
    path("functions/<uuid:function_id>/users", function_users, name="function-users"),
    path("functions/<uuid:function_id>/archive", function_archive, name="function-archive"),
    path("functions/<uuid:function_id>/unarchive", function_unarchive, name="function-unarchive"),
    path("functions/<uuid:function_id>/delete", function_delete, name="function-delete"),
]
