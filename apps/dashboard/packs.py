"""Packs: the list, one of them, looking at and installing one, removing, bringing back, exporting."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.urls import path
from django.utils.http import content_disposition_header

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.diffs import ShownComparison, shown_comparison
from apps.dashboard.filters import search_text
from apps.dashboard.paging import paginate
from apps.dashboard.respond import attempt, go, show
from apps.functions.models import Function
from apps.packs.approval import comparisons_of
from apps.packs.export import NothingToExport, export_functions, export_pack
from apps.packs.models import Pack, Release
from apps.packs.plan import Plan
from apps.packs.removal import find_users, remove_pack, restore_pack
from apps.packs.services import get_pack, install_pack, list_packs, look_at_pack, whole_release
from apps.packs.shipped import find_shipped, shipped_packs
from apps.packs.states import ReleaseState
from apps.packs.trees import MOST_FILES, MOST_ZIP_BYTES, BadPack, PackTooLarge, Tree, read_tree, write_zip
from apps.workspaces.roles import Permission

EXAMPLE = """@selfsmith.register_function(
    metadata={"description": "Counts words.", "tags": ["text"]},
    imports=[{"name": "slugify", "lib": "python-slugify"}],
    secrets=["API_KEY"],
)
def count(text: str) -> int:
    return len(words(text))
"""
MOST_NAMED = 200  # functions that one address of an export may name


@dataclass(frozen=True)
class ShownFunction:
    """A function that a pack brings, beside the version that it would replace."""

    entry: dict[str, Any]
    comparison: ShownComparison


@page(Permission.VIEW)
def packs_list(request: PageRequest) -> HttpResponse:
    query = search_text(request)
    rows = list_packs(actor=request.membership, search=query)
    return show(request, "packs/list.html", {"page": paginate(request, rows), "query": query}, part="results")


@page(Permission.DEVELOP, FORM)
def pack_install(request: PageRequest) -> HttpResponse:
    """First what was chosen is looked at; what that showed is sent back with the word to install it."""
    if request.method == "GET":
        return show(request, "packs/install.html", _nothing_yet())
    is_installing = "install" in request.POST
    outcome = attempt(request, lambda: _installed(request) if is_installing else _looked_at(request))
    if isinstance(outcome, DomainError):
        context = {**_nothing_yet(), "errors": [outcome.message], "refused": outcome.details.get("refused", [])}
        return show(request, "packs/install.html", context, status=outcome.status)
    if isinstance(outcome, Release):
        return go(request, "pack-detail", pack_id=outcome.pack_id, say=_said(outcome))
    tree, plan = outcome
    context = {
        **_nothing_yet(),
        "plan": plan,
        "refused": plan.refused,
        "functions": shown_functions(plan.frozen()),
        "unchanged": [each["name"] for each in plan.functions if each["change"] == "none"],
        "packed": base64.b64encode(write_zip(dict(tree.files))).decode(),
        "pack_name": plan.manifest.name,
    }
    return show(request, "packs/install.html", context)


@page(Permission.VIEW)
def pack_detail(request: PageRequest, pack_id: UUID) -> HttpResponse:
    return _show_detail(request, get_pack(actor=request.membership, pack_id=pack_id))


@page(Permission.DEVELOP, POST)
def pack_remove(request: PageRequest, pack_id: UUID) -> HttpResponse:
    pack = get_pack(actor=request.membership, pack_id=pack_id)
    outcome = attempt(request, lambda: remove_pack(actor=request.membership, name=pack.name))
    if isinstance(outcome, DomainError):
        return _show_detail(request, pack, refusal=outcome)
    return go(request, "pack-detail", pack_id=pack_id, say="Removed. Its functions are in the archive, and can be brought back.")


@page(Permission.DEVELOP, POST)
def pack_restore(request: PageRequest, pack_id: UUID) -> HttpResponse:
    pack = get_pack(actor=request.membership, pack_id=pack_id)
    outcome = attempt(request, lambda: restore_pack(actor=request.membership, name=pack.name))
    if isinstance(outcome, DomainError):
        return _show_detail(request, pack, refusal=outcome)
    return go(request, "pack-detail", pack_id=pack_id, say="It is back. Its rules stay off until you switch them on.")


@page(Permission.VIEW)
def pack_export(request: PageRequest, pack_id: UUID) -> HttpResponse:
    pack = get_pack(actor=request.membership, pack_id=pack_id)
    release = whole_release(pack.installed or pack.newest)
    outcome = attempt(request, lambda: export_pack(actor=request.membership, release=release))
    if isinstance(outcome, DomainError):
        return _show_detail(request, pack, refusal=outcome)
    return _zipped(outcome, pack.name)


@page(Permission.VIEW)
def functions_export(request: PageRequest) -> HttpResponse:
    """Functions that were chosen, with all that they call; without a choice the whole library."""
    names = request.GET.getlist("name")[:MOST_NAMED]
    slug = request.workspace.slug
    try:
        files = export_functions(actor=request.membership, names=names or None, pack=slug)
    except NothingToExport as refusal:
        return go(request, "packs-list", say=refusal.message)
    return _zipped(files, slug)


def shown_functions(brings: dict[str, Any]) -> list[ShownFunction]:
    """What is new or changed in a frozen plan, ready to be drawn."""
    return [ShownFunction(entry, shown_comparison(comparison)) for entry, comparison in comparisons_of(brings)]


def _nothing_yet() -> dict[str, Any]:
    """What there is to choose from: files of one's own, and the packs that ship with how much of each is here already."""
    packs = shipped_packs()
    brought = [name for pack in packs for name in pack.functions]
    here = set(Function.objects.library().filter(name__in=brought).values_list("name", flat=True))
    told = [(pack, sum(name in here for name in pack.functions)) for pack in packs]
    return {"max_files": MOST_FILES, "example": EXAMPLE, "errors": (), "refused": (), "shipped": told}


def _looked_at(request: PageRequest) -> tuple[Tree, Plan]:
    shipped = str(request.POST.get("shipped", ""))
    tree = find_shipped(shipped).tree if shipped else read_tree(_chosen(request))
    return tree, look_at_pack(actor=request.membership, tree=tree, name=_name(request))


def _installed(request: PageRequest) -> Release:
    """What was looked at, as the page sends it back. It is read as if it were new."""
    try:
        packed = base64.b64decode(request.POST.get("packed", ""), validate=True)
    except binascii.Error:
        raise BadPack("What was looked at did not come back whole. Choose the files again.") from None
    reason = str(request.POST.get("reason", ""))
    release, _ = install_pack(actor=request.membership, tree=read_tree([("", packed)]), name=_name(request), reason=reason)
    return release


def _chosen(request: PageRequest) -> list[tuple[str, bytes]]:
    chosen: Sequence[UploadedFile[bytes]] = request.FILES.getlist("files")
    if not chosen:
        raise BadPack("Choose a zip, or one or more files of Python.")
    if sum(file.size or 0 for file in chosen) > MOST_ZIP_BYTES:
        raise PackTooLarge(
            f"Together the files have more than {MOST_ZIP_BYTES // 1024**2} MiB. Pack them as a zip, or bring fewer."
        )
    return [(file.name or "", bytes(file.read())) for file in chosen]


def _name(request: PageRequest) -> str:
    return str(request.POST.get("pack_name", ""))[:100]


def _said(release: Release) -> str:
    if release.state == ReleaseState.INSTALLED:
        return f"{release} is installed."
    return f"{release} waits for somebody to agree to what it asks for. Until then nothing of it is here."


def _show_detail(request: PageRequest, pack: Pack, *, refusal: DomainError | None = None) -> HttpResponse:
    shown = whole_release(pack.installed or pack.newest)
    waiting = pack.newest if pack.newest.state == ReleaseState.AWAITING_APPROVAL else None
    names = [each["name"] for each in shown.functions]
    context = {
        "pack": pack,
        "release": shown,
        "waiting": waiting,
        "functions": list(Function.objects.for_list().filter(name__in=names, task_id=None)),
        "rules": [each.rule for each in shown.brought_rules.select_related("rule__target").order_by("rule__name")],
        "users": find_users(shown) if shown.state == ReleaseState.INSTALLED else [],
        "releases": list(pack.releases.all()),
        "refusal": refusal,
    }
    return show(request, "packs/detail.html", context, status=refusal.status if refusal else 200)


def _zipped(files: dict[str, str], name: str) -> HttpResponse:
    response = HttpResponse(write_zip(files), content_type="application/zip")
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=f"{name}.zip") or "attachment"
    )
    return response


urlpatterns = [
    path("packs/", packs_list, name="packs-list"),
    path("packs/install", pack_install, name="pack-install"),
    path("packs/export", functions_export, name="packs-export"),
    path("packs/<uuid:pack_id>/", pack_detail, name="pack-detail"),
    path("packs/<uuid:pack_id>/remove", pack_remove, name="pack-remove"),
    path("packs/<uuid:pack_id>/restore", pack_restore, name="pack-restore"),
    path("packs/<uuid:pack_id>/export", pack_export, name="pack-export"),
]
