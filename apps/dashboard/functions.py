"""Functions: the list, one function with its run form, writing one, running one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Subquery
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone

from apps.approvals.states import RequestState
from apps.core.errors import DomainError, NotFound
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.diffs import shown_comparison
from apps.dashboard.duration_bars import duration_bars
from apps.dashboard.filters import search_text
from apps.dashboard.forms.folders import MoveForm, OwnerForm
from apps.dashboard.forms.functions import FunctionForm, VersionForm, version_initial
from apps.dashboard.limits import version_rows
from apps.dashboard.paging import CountOf, paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.dashboard.uploads import store_files
from apps.functions.access import ways_up
from apps.functions.capabilities import standing_of
from apps.functions.definition import Settings, filled_retry, with_grants
from apps.functions.editing import EditConflict
from apps.functions.form import Field, form_fields, parse_form, refill
from apps.functions.impact import impact_of
from apps.functions.limits import workspace_maxima
from apps.functions.models import CapabilityRequest, Folder, Function, FunctionQuerySet, FunctionVersion
from apps.functions.services import (
    DetailsChanged,
    create_function,
    find_version,
    get_function,
    get_version,
    resolve_closure,
    save_version,
    update_details,
)
from apps.packages.states import TERMINAL, PackageState
from apps.runs.answers import forget_answers
from apps.runs.health import LOOKED_BACK, last_ends, record_of
from apps.runs.models import Run
from apps.runs.services import start_run
from apps.runs.states import FAILED
from apps.runs.suggestions import UNUSED_FOR, suggestions_for
from apps.triggers.models import Rule
from apps.workspaces.roles import Permission

ARCHIVE = "archive"
FAILING, UNUSED = "failing", "unused"
SHELVES = [("", "In use"), (FAILING, "Failing"), (UNUSED, "Unused"), (ARCHIVE, "Archived")]
SHOWN_RUNS = 10
SHOWN_RULES = 10
MANY_RUNS = 1000  # of one function; beyond, a list does not count further
SHOWN_VERSIONS = 5
SHOWN_CALLERS = 10


class NoSuchPage(NotFound):
    code = "no_such_page"


@dataclass(frozen=True)
class Problem:
    """A place in a source and what is wrong there."""

    line: int
    column: int | None
    message: str


@page(Permission.VIEW)
def functions_list(request: PageRequest) -> HttpResponse:
    query = search_text(request)
    runs = Run.objects.filter(function=OuterRef("pk")).order_by()
    shelf = request.GET.get("shelf", "")
    folder = request.GET.get("folder", "").replace("\x00", "")[:200]
    rows = _on_shelf(shelf).under(folder).search(query).for_list().defer("active_version__source")
    rows = rows.annotate(
        runs_count=CountOf(runs.values("pk")[:MANY_RUNS]), ends=ArraySubquery(last_ends().values("state")[:LOOKED_BACK])
    )
    told = {
        "page": paginate(request, rows),
        "query": query,
        "many_runs": MANY_RUNS,
        "shelf": shelf,
        "shelves": SHELVES,
        "folder": folder,
        "ways_up": ways_up(folder)[::-1] if folder else [],
        "folders": Folder.objects.directly_under(folder),
        "kept": [("shelf", shelf), ("folder", folder)],
        "kept_place": [("folder", folder), ("q", query)],
    }
    return show(request, "functions/list.html", told, part="results")


def _on_shelf(shelf: str) -> FunctionQuerySet:
    """Which functions a list shows; any other word than those of `SHELVES` shows what is in use, as an old bookmark should."""
    in_use: FunctionQuerySet = Function.objects.library()
    if shelf == ARCHIVE:
        return Function.objects.archived()
    if shelf == FAILING:
        return in_use.annotate(last_end=Subquery(last_ends().values("state")[:1])).filter(last_end__in=FAILED)
    if shelf == UNUSED:
        since = timezone.now() - UNUSED_FOR
        return in_use.filter(
            ~Exists(Run.objects.without_trials().filter(function=OuterRef("pk"), created_at__gte=since)), created_at__lt=since
        )
    return in_use


@page(Permission.VIEW)
def function_detail(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    version = version_asked_for(request, function)
    return show(request, "functions/detail.html", told_of(request, function, version, form_fields(version.input_schema)))


@page(Permission.RUN, POST)
def function_run(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    version = version_sent(request, function)
    fields = form_fields(version.input_schema)
    outcome = attempt(request, lambda: _start(request, version, fields))
    if isinstance(outcome, Run):
        return go(request, "run-detail", run_id=outcome.pk)
    complaints: dict[str, str] = outcome.details.get("fields", {})
    names = {field.name for field in fields}
    errors = (
        [text for path, text in complaints.items() if path.partition(".")[0] not in names] if complaints else [outcome.message]
    )
    shown = refill(fields, request.POST, complaints)
    return show(request, "functions/detail.html", told_of(request, function, version, shown, errors), status=outcome.status)


@page(Permission.DEVELOP, FORM)
def function_new(request: PageRequest) -> HttpResponse:
    form = FunctionForm(request.POST or None, maxima=workspace_maxima())
    outcome = None
    if request.method == "POST" and form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("source", "requirements", "dependencies", "examples", "tags")}
        given |= {name: form.cleaned_data[name] or None for name in ("name", "description")}
        stated = {name: form.cleaned_data[name] for name in ("limits", "hosts", "secrets")}
        retry_class, retry = form.retry()
        given["settings"] = Settings(
            **stated,
            retry_class=retry_class,
            retry=retry,
            isolation=form.isolation(),
            imports_first=form.cleaned_data["imports_first"],
            logging=form.cleaned_data["logging"],
            handling=form.cleaned_data["handling"],
        )
        outcome = attempt(request, lambda: create_function(actor=request.membership, **given))
        if isinstance(outcome, Function):
            return go(request, "function-detail", function_id=outcome.pk, say=f"{outcome.name} is saved.")
    return _show_form(request, form, outcome, function=None)


@page(Permission.DEVELOP, FORM)
def function_edit(request: PageRequest, function_id: UUID) -> HttpResponse:
    """Of the version that `?version=` names. Somebody else's newer version is told, and shown beside what was typed."""
    function = get_function(actor=request.membership, function_id=function_id)
    edited, newest = version_asked_for(request, function), newest_version(function)
    initial = version_initial(function, edited, newest.number)
    form = VersionForm(request.POST or None, initial=initial, maxima=workspace_maxima())
    outcome = None
    if request.method == "POST" and form.is_valid():
        if basis := form.basis():
            edited = find_version(actor=request.membership, function=function, number=basis.number)
        outcome = attempt(request, lambda: _save(request, function, form, edited))
        if isinstance(outcome, FunctionVersion):
            return go(request, "function-detail", function_id=function.pk, say=_said(outcome), query=_shown_after(outcome))
    told: dict[str, object] = {"edited": edited, "newest": newest, "impact": impact_of(function)}
    if isinstance(outcome, EditConflict):
        form.catch_up(newest_seen=outcome.details["version"])
        told |= {"conflict": shown_comparison(outcome.comparison), "newest": outcome.comparison.old}
    if isinstance(outcome, DetailsChanged):
        form.catch_up(details_seen=outcome.details["seen"])
    return _show_form(request, form, outcome, function=function, told=told)


def _said(version: FunctionVersion) -> str:
    return f"Version {version.number} is {'active' if version.is_active else 'saved as a draft: runs still use the active one'}."


def _shown_after(version: FunctionVersion) -> str:
    return "" if version.is_active else f"?version={version.number}"


def _save(request: PageRequest, function: Function, form: VersionForm, edited: FunctionVersion) -> FunctionVersion:
    """A version with the settings of the one that was edited, where the form does not speak of them."""
    given = form.cleaned_data
    code = {name: given[name] for name in ("source", "requirements", "dependencies", "examples")}
    before, retry = Settings.of(edited), form.retry()
    settings = with_grants(before, hosts=given["hosts"], secrets=given["secrets"])
    stated = {name: given[name] for name in ("limits", "logging", "imports_first", "handling")}
    settings = replace(settings, isolation=form.isolation(), **stated)
    # What the form was filled in with and came back is no word of the author's.
    if "retry_class" in form.data and retry != (before.retry_class, dict(before.retry)):
        settings = replace(settings, retry_class=retry[0], retry=retry[1])
    version = save_version(
        actor=request.membership,
        function=function,
        settings=settings,
        basis=form.basis(),
        note=given["note"],
        activate="keep_draft" not in request.POST,
        **code,
    )
    details = {name: given[name] for name in ("description", "tags")}
    update_details(actor=request.membership, function=function, seen=given["details_seen"], **details)
    return version


def _show_form(
    request: PageRequest, form: FunctionForm, outcome: object, *, function: Function | None, told: Mapping[str, Any] | None = None
) -> HttpResponse:
    refusal = outcome if isinstance(outcome, DomainError) else None
    problems = _problems(refusal) if refusal else []
    status = 200 if request.method == "GET" else refusal.status if refusal else UNPROCESSABLE
    if refusal and not problems:
        status = refuse(form, refusal)
    source = str(form.cleaned_data.get("source", "")) if problems else ""
    context = {
        **(told or {}),
        "form": form,
        "function": function,
        "problems": problems,
        "source_with_problem": source,
        "shows_limits": form.has_limit_errors() or "limits" in request.GET,
    }
    return show(request, "functions/form.html", context, status=status)


def _problems(refusal: DomainError) -> list[Problem]:
    """The places that a refusal names: of the source, of names that nothing defines, of imports that nothing brings."""
    details = refusal.details
    found = [Problem(each["line"], each["column"], each["message"]) for each in details.get("problems", ())]
    found += [
        Problem(each["line"], each["column"], _unknown_name(each)) for each in details.get("names", ()) if isinstance(each, dict)
    ]
    found += [
        Problem(each["line"], None, f"“{each['module']}” is not part of Python. Add the package “{each['requirement']}”.")
        for each in details.get("imports", ())
    ]
    return found


def _unknown_name(told: dict[str, Any]) -> str:
    nearest = f" Did you mean {' or '.join(told['nearest'])}?" if told["nearest"] else ""
    return f"“{told['name']}” is neither defined or imported in the source nor a function of this workspace.{nearest}"


def version_asked_for(request: PageRequest, function: Function) -> FunctionVersion:
    """The version that `?version=` names, or the active one.

    Raises:
        NoSuchPage
    """
    number = request.GET.get("version", "")
    history = FunctionVersion.objects.for_history().filter(function=function)
    if number and not (number.isascii() and number.isdigit() and len(number) < 10):
        raise NoSuchPage("There is no such version here.")
    version = (history.filter(number=int(number)) if number else history.active()).first()
    if version is None:
        raise NoSuchPage("There is no such version here.")
    return version


def newest_version(function: Function) -> FunctionVersion:
    """The last one that was saved; every function has a first."""
    return FunctionVersion.objects.for_history().filter(function=function)[0]


def version_sent(request: PageRequest, function: Function) -> FunctionVersion:
    try:
        version = get_version(actor=request.membership, version_id=UUID(request.POST.get("version", "")))
    except ValueError:
        raise NoSuchPage("There is no such version here.") from None
    if version.function_id != function.pk:
        raise NoSuchPage("There is no such version here.")
    return version


def _start(request: PageRequest, version: FunctionVersion, fields: Sequence[Field]) -> Run:
    arguments = parse_form(fields, {name: str(value) for name, value in request.POST.items()})
    files, fresh = store_files(request), "fresh" in request.POST
    return start_run(actor=request.membership, version=version, arguments=arguments, files=files, fresh=fresh)


@page(Permission.DEVELOP, POST)
def function_forget_answers(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    forget_answers(actor=request.membership, function=function)
    return go(request, "function-detail", function_id=function.pk, say="Its answers are forgotten: the next run is executed.")


def told_of(
    request: PageRequest, function: Function, version: FunctionVersion, fields: Sequence[Field], errors: Sequence[str] = ()
) -> dict[str, Any]:
    history = FunctionVersion.objects.for_history().defer("source").filter(function=function)
    limits = version_rows(version)
    impact = impact_of(function)
    capabilities = _standing(version)
    ran = record_of(function)
    may_change = request.membership.can(Permission.DEVELOP) and function.task_id is None
    return {
        "function": function,
        "version": version,
        "versions": history[:SHOWN_VERSIONS],
        "is_active": version.pk == function.active_version_id,
        "dependencies": _called_by(version),
        "impact": impact,
        "callers": impact.callers().defer("active_version__source")[:SHOWN_CALLERS],
        "fields": fields,
        "limits": limits,
        "limits_above": any(row.is_above for row in limits),
        "may_run": request.membership.can(Permission.RUN),
        "retry": filled_retry(version.retry),
        "why_not": _package_notice(version),
        "capabilities": capabilities,
        "grant_notice": _grant_notice(capabilities),
        "errors": errors,
        "suggestions": suggestions_for(function) if version.pk == function.active_version_id else [],
        "record": ran,
        "bars": duration_bars(ran),
        "move": MoveForm(initial={"folder": function.folder and function.folder.path}) if may_change else None,
        "hand_over": OwnerForm(initial={"owner": function.owner_id}) if may_change else None,
        "kept_seconds": settings.BOXES_KEPT_IDLE_SECONDS,
        "rules": Rule.objects.needing(function).order_by("name")[:SHOWN_RULES],
        "shown_rules": SHOWN_RULES,
        "runs": Run.objects.for_list().filter(function=function)[:SHOWN_RUNS],
        "upload_limit": settings.UPLOAD_MAX_BYTES,
    }


def _called_by(version: FunctionVersion) -> list[tuple[Function, int | None]]:
    """What it calls, each with the number of the version that it pins."""
    called = Function.objects.visible_in(version.function.task_id).filter(name__in=version.dependencies).order_by("name")
    return [(function, version.pins.get(function.name)) for function in called]


def _standing(version: FunctionVersion) -> CapabilityRequest | None:
    """Where the hosts and secrets of the version and all that it calls stand; None when nothing of it can be told."""
    try:
        return standing_of(resolve_closure(version))
    except DomainError:
        return None  # a secret or a function that it names has gone: running it says which


def _grant_notice(capabilities: CapabilityRequest | None) -> str:
    if capabilities is None or capabilities.is_granted:
        return ""
    if capabilities.request.state == RequestState.OPEN:
        return "The hosts, secrets and models that it asks for wait for a decision. A run waits for it and then starts by itself."
    return "The hosts, secrets and models that it asks for were not granted. A run asks for them again and waits."


def _package_notice(version: FunctionVersion) -> str:
    """What a person should know of its packages before running it; empty when they are built, or none are needed."""
    state = version.package_set.state if version.package_set else PackageState.READY
    if state == PackageState.READY:
        return ""
    if state in TERMINAL:
        return "Its packages were refused or could not be had. A run asks for them again and waits."
    return "Its packages are not there yet. A run waits for them and then starts by itself."


urlpatterns = [
    path("functions/", functions_list, name="functions-list"),
    path("functions/new", function_new, name="function-new"),
    path("functions/<uuid:function_id>/", function_detail, name="function-detail"),
    path("functions/<uuid:function_id>/edit", function_edit, name="function-edit"),
    path("functions/<uuid:function_id>/run", function_run, name="function-run"),
    path("functions/<uuid:function_id>/forget-answers", function_forget_answers, name="function-forget-answers"),
]
