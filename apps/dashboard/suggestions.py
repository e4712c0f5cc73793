"""One click on what the runs of a function suggest, and one that puts it away."""

from dataclasses import replace
from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import POST, PageRequest, page
from apps.dashboard.functions import NoSuchPage, told_of, version_sent
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, show
from apps.functions.definition import Provenance, Settings
from apps.functions.form import form_fields
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.services import get_function, save_version
from apps.runs.suggestions import KEPT_FOR, put_away
from apps.workspaces.roles import Permission


@page(Permission.DEVELOP, POST)
def function_imports_first(request: PageRequest, function_id: UUID) -> HttpResponse:
    return _act(request, function_id, {"imports_first": True}, "does its imports beforehand")


@page(Permission.DEVELOP, POST)
def function_keep_answers(request: PageRequest, function_id: UUID) -> HttpResponse:
    return _act(request, function_id, {"handling": {"cache_seconds": KEPT_FOR}}, "keeps its answers for an hour")


@page(Permission.DEVELOP, POST)
def function_put_away(request: PageRequest, function_id: UUID) -> HttpResponse:
    """A suggestion about the version that the page showed is not made again."""
    function = get_function(actor=request.membership, function_id=function_id)
    version = version_sent(request, function)
    try:
        put_away(actor=request.membership, version=version, kind=request.POST.get("kind", ""))
    except ValueError:
        raise NoSuchPage("There is no such suggestion.") from None
    return go(request, "function-detail", function_id=function.pk, say="It is not suggested again for this version.")


def _act(request: PageRequest, function_id: UUID, changes: dict[str, object], does: str) -> HttpResponse:
    """A version that differs in nothing else, of the one that the page showed."""
    function = get_function(actor=request.membership, function_id=function_id)
    version = function.active_version
    if version is None:
        raise NoSuchPage("There is no such version here.")
    if request.POST.get("version") != str(version.pk):
        changed = "Another version has become active meanwhile. You see it now: press the button again if it is meant too."
        return _show(request, function, version, changed, UNPROCESSABLE)
    outcome = attempt(request, lambda: _saved(request, function, version, changes))
    if isinstance(outcome, DomainError):
        return _show(request, function, version, outcome.message, outcome.status)
    return go(request, "function-detail", function_id=function.pk, say=f"Version {outcome.number} {does}.")


def _show(request: PageRequest, function: Function, version: FunctionVersion, error: str, status: int) -> HttpResponse:
    told = told_of(request, function, version, form_fields(version.input_schema), [error])
    return show(request, "functions/detail.html", told, status=status)


def _saved(request: PageRequest, function: Function, version: FunctionVersion, changes: dict[str, object]) -> FunctionVersion:
    """Who clicks has not written the source: what a program wrote stays a program's, and inherits no grant."""
    before = Settings.of(version)
    if "handling" in changes:
        changes = {"handling": {**before.handling, **changes["handling"]}}  # type: ignore[dict-item]
    return save_version(
        actor=request.membership,
        function=function,
        source=version.source,
        requirements=version.requirements,
        settings=replace(before, **changes),  # type: ignore[arg-type]
        provenance=Provenance(
            Origin(version.origin), prompt=version.prompt, model=version.model, derived_from=version.derived_from
        ),
    )


urlpatterns = [
    path("functions/<uuid:function_id>/imports-first", function_imports_first, name="function-imports-first"),
    path("functions/<uuid:function_id>/keep-answers", function_keep_answers, name="function-keep-answers"),
    path("functions/<uuid:function_id>/put-away", function_put_away, name="function-put-away"),
]
