"""Packages: the sets that were asked for, one set on its way to an environment, asking for one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Max
from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.filters import state_filter
from apps.dashboard.forms.packages import PackagesForm
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.functions.models import FunctionVersion
from apps.packages.models import EnvironmentCopy, PackageSet
from apps.packages.services import get_package_set, rebuild_environment, release_environment, require_packages
from apps.packages.states import REFUSED, TERMINAL, PackageState
from apps.runs.models import Run
from apps.workspaces.roles import Permission

SHOWN_VERSIONS = 50


@dataclass(frozen=True)
class Stage:
    """One part of a set's way: done, active, todo or failed."""

    title: str
    state: str
    note: str = ""


@page(Permission.VIEW, FORM, to_post=Permission.PROPOSE)
def packages_list(request: PageRequest) -> HttpResponse:
    form = PackagesForm(request.POST or None) if request.membership.can(Permission.PROPOSE) else None
    status = 200
    if form is not None and request.method == "POST":
        outcome = (
            attempt(request, lambda: require_packages(actor=request.membership, **form.cleaned_data)) if form.is_valid() else None
        )
        if isinstance(outcome, PackageSet):
            return go(
                request,
                "package-detail",
                package_set_id=outcome.pk,
                say="Asked for. A request opens once the packages are resolved.",
            )
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    state = state_filter(request, PackageState)
    rows = PackageSet.objects.for_list()
    context = {
        "page": paginate(request, rows.filter(state=state.chosen) if state.chosen else rows),
        "state_filter": state.chosen,
        "state_choices": state.choices,
        "form": form,
    }
    return show(request, "packages/list.html", context, part="results", status=status)


@page(Permission.VIEW)
def package_detail(request: PageRequest, package_set_id: UUID) -> HttpResponse:
    package_set = get_package_set(actor=request.membership, package_set_id=package_set_id)
    versions = FunctionVersion.objects.filter(package_set=package_set).select_related("function").defer("source")
    context: dict[str, Any] = {
        "package_set": package_set,
        "is_open": package_set.is_current and not package_set.is_ready,
        "evidence": package_set.evidence,
        "versions": versions.order_by("-id")[:SHOWN_VERSIONS],
        "stages": _stages(package_set),
        "failure_title": "They could not be built again" if package_set.environment_digest else "These packages cannot be used",
        "kept": _files_of(package_set),
    }
    return show(request, "packages/detail.html", context, part="live")


@page(Permission.ADMINISTER, POST)
def package_rebuild(request: PageRequest, package_set_id: UUID) -> HttpResponse:
    rebuild_environment(actor=request.membership, package_set_id=package_set_id)
    return go(
        request, "package-detail", package_set_id=package_set_id, say="A worker looks at the files and builds what is missing."
    )


@page(Permission.ADMINISTER, POST)
def package_release(request: PageRequest, package_set_id: UUID) -> HttpResponse:
    release_environment(actor=request.membership, package_set_id=package_set_id)
    said = "The files go when nothing uses them. A later run has them built again; the approval stays."
    return go(request, "package-detail", package_set_id=package_set_id, say=said)


def _files_of(package_set: PackageSet) -> dict[str, Any]:
    """What is known of the built files: their size, on how many hosts they lie, and when a run here used them last."""
    digest = package_set.environment_digest
    if not digest:
        return {}
    known = EnvironmentCopy.objects.filter(digest=digest).aggregate(hosts=Count("pk"), bytes=Max("bytes"), files=Max("files"))
    used = Run.objects.filter(environment_digest=digest).aggregate(at=Max("started_at"))
    return {**known, "used_at": used["at"]}


def _stages(package_set: PackageSet) -> list[Stage]:
    """Resolved, decided, built: where it stands, and where it stopped."""
    state = PackageState(package_set.state)
    was_resolved, was_approved = bool(package_set.lock_digest), _was_approved(package_set)
    resolving = _stage("Resolved and examined", done=was_resolved, active=state in (PackageState.QUEUED, PackageState.RESOLVING))
    deciding = _stage("Decided by a person", done=was_approved, active=state == PackageState.AWAITING_APPROVAL)
    building = _stage(
        "Built and sealed", done=package_set.is_ready, active=state in (PackageState.APPROVED, PackageState.BUILDING)
    )
    stages = [resolving, deciding, building]
    if state in TERMINAL:
        stopped = next(place for place, stage in enumerate(stages) if stage.state != "done")
        stages[stopped] = Stage(stages[stopped].title, "failed", package_set.failure if state in REFUSED else "")
    return stages


def _was_approved(package_set: PackageSet) -> bool:
    return package_set.request is not None and package_set.request.state == "approved"


def _stage(title: str, *, done: bool, active: bool) -> Stage:
    return Stage(title, "done" if done else "active" if active else "todo")


urlpatterns = [
    path("packages/", packages_list, name="packages-list"),
    path("packages/<uuid:package_set_id>/", package_detail, name="package-detail"),
    path("packages/<uuid:package_set_id>/rebuild", package_rebuild, name="package-rebuild"),
    path("packages/<uuid:package_set_id>/release", package_release, name="package-release"),
]
