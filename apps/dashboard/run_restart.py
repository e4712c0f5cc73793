"""Run a run again: its arguments in the form, to be edited, with the version of then or the active one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.core.errors import Conflict, DomainError
from apps.dashboard.access import FORM, PageRequest, page
from apps.dashboard.respond import attempt, go, show
from apps.dashboard.uploads import store_files
from apps.functions.form import Field, form_fields, parse_form, prefill, refill, without_field
from apps.functions.models import FunctionVersion
from apps.runs.models import Artifact, Run
from apps.runs.restart import files_of, keeps_arguments, restart_run, version_to_restart
from apps.runs.services import find_run
from apps.workspaces.roles import Permission

ACTIVE = "active"


class VersionMoved(Conflict):
    code = "version_moved"


@page(Permission.RUN, FORM)
def run_restart(request: PageRequest, run_id: UUID) -> HttpResponse:
    run = find_run(run_id)
    chosen = request.POST.get("with") if request.method == "POST" else request.GET.get("with")
    version = attempt(request, lambda: version_to_restart(run, with_active_version=chosen == ACTIVE))
    if isinstance(version, DomainError):
        return _show(request, run, run.version, [], [], version)
    fields, given = form_fields(version.input_schema), files_of(run)
    if request.method != "POST":
        return _show(request, run, version, prefill(fields, run.arguments), given)
    if request.POST.get("version") != str(version.pk):
        moved = VersionMoved("Another version has become active meanwhile. You see its arguments now: look at them again.")
        return _show(request, run, version, prefill(fields, run.arguments), given, moved)
    outcome = attempt(request, lambda: _restart(request, run, version, fields, given))
    if isinstance(outcome, Run):
        return go(request, "run-detail", run_id=outcome.pk, say="It runs again. This is the new run.")
    shown = refill(fields, request.POST, outcome.details.get("fields", {}))
    return _show(request, run, version, shown, given, outcome)


def _restart(request: PageRequest, run: Run, version: FunctionVersion, fields: Sequence[Field], given: Sequence[Artifact]) -> Run:
    kept = [file for file in given if str(file.pk) in request.POST.getlist("file")]
    return restart_run(
        actor=request.membership,
        run=run,
        arguments=parse_form(fields, {name: str(value) for name, value in request.POST.items()}),
        files=[*kept, *store_files(request)],
        with_active_version=version.pk != run.version_id,
    )


def _show(
    request: PageRequest,
    run: Run,
    version: FunctionVersion,
    fields: Sequence[Field],
    given: Sequence[Artifact],
    refusal: DomainError | None = None,
) -> HttpResponse:
    active_id = run.function.active_version_id
    context = {
        "run": run,
        "version": version,
        "fields": fields,
        "files": _choices(request, given),
        "is_active": version.pk == active_id,
        "active_number": _number_of(active_id) if active_id and active_id != run.version_id else None,
        "keeps_arguments": keeps_arguments(run),
        "without_field": without_field(fields, run.arguments) if fields else [],
        "errors": _errors(fields, refusal) if refusal else [],
    }
    return show(request, "runs/restart.html", context, status=refusal.status if refusal else 200)


def _choices(request: PageRequest, given: Sequence[Artifact]) -> list[tuple[Artifact, bool]]:
    """The files of then, and whether the form keeps each."""
    kept = request.POST.getlist("file") if request.method == "POST" else None
    return [(file, kept is None or str(file.pk) in kept) for file in given]


def _number_of(version_id: UUID) -> int:
    return FunctionVersion.objects.only("number").get(pk=version_id).number


def _errors(fields: Sequence[Field], refusal: DomainError) -> list[str]:
    """What is wrong and belongs to no field."""
    complaints: dict[str, Any] = refusal.details.get("fields", {})
    names = {field.name for field in fields}
    return [text for path, text in complaints.items() if path.partition(".")[0] not in names] if complaints else [refusal.message]


urlpatterns = [path("runs/<uuid:run_id>/restart", run_restart, name="run-restart")]
