"""Examples of a version: a page that tries them in boxes and shows what came of each."""

from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.respond import attempt, go, show
from apps.dashboard.versions import function_and_version
from apps.functions.examples import example_lines
from apps.functions.services import get_function, require_examples
from apps.runs.examples import Verdict, outcomes_of, try_examples
from apps.workspaces.roles import Permission


@page(Permission.VIEW, FORM, to_post=Permission.RUN)
def version_examples(request: PageRequest, function_id: UUID, version_id: UUID) -> HttpResponse:
    function, version = function_and_version(request, function_id, version_id)
    refusal = None
    if request.method == "POST":
        outcome = attempt(request, lambda: try_examples(actor=request.membership, version=version))
        if not isinstance(outcome, DomainError):
            return go(request, "function-examples", function_id=function_id, version_id=version_id)
        refusal = outcome
    outcomes = outcomes_of(version)
    told = {
        "function": function,
        "version": version,
        "examples": list(zip(outcomes, example_lines(version.examples), strict=True)),
        "is_open": any(outcome.verdict == Verdict.OPEN for outcome in outcomes),
        "met": sum(outcome.verdict == Verdict.MET for outcome in outcomes),
        "refusal": refusal,
    }
    return show(request, "functions/examples.html", told, part="live", status=refusal.status if refusal else 200)


@page(Permission.DEVELOP, POST)
def function_needs_examples(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    is_required = request.POST.get("required") == "yes"
    require_examples(actor=request.membership, function=function, is_required=is_required)
    what = "Only versions whose examples were met become active now." if is_required else "Any version may become active again."
    return go(request, "function-detail", function_id=function_id, say=what)


urlpatterns = [
    path("functions/<uuid:function_id>/versions/<uuid:version_id>/examples", version_examples, name="function-examples"),
    path("functions/<uuid:function_id>/needs-examples", function_needs_examples, name="function-needs-examples"),
]
