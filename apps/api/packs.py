"""Packs: see what one brings, install, find, remove, bring back, export."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header
from ninja import File, Form, Query, Router
from ninja.files import UploadedFile

from apps.api.authentication import ApiRequest, in_scope
from apps.api.pack_schemas import (
    ExportWanted,
    PackDetailOut,
    PackOut,
    PackReportOut,
    PacksIn,
    PackUseOut,
    ReleaseOut,
    ShippedPackIn,
    ShippedPackOut,
    ZipIn,
    loaded_of,
)
from apps.api.paging import USUAL, page_of
from apps.api.schemas import Page
from apps.packs.export import export_functions, export_pack
from apps.packs.models import Pack
from apps.packs.removal import find_users, remove_pack, restore_pack
from apps.packs.services import find_pack, install_pack, list_packs, look_at_pack, whole_release
from apps.packs.shipped import find_shipped, shipped_packs
from apps.packs.trees import MOST_ZIP_BYTES, PackTooLarge, Tree, read_tree, write_zip
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()
imports = Router()
shipped = Router()
exports = Router()


@router.get("", response=Page[PackOut], summary="Packs, newest first")
@in_scope
def list_all(request: ApiRequest, after: UUID | None = None, limit: int = USUAL, search: str = "") -> object:
    rows = list_packs(actor=request.membership, search=search)
    return page_of(rows, after=after, limit=limit, show=PackOut.of)


@router.post("", response=PackReportOut, summary="Install a pack of some files, or only look at what it would bring")
@in_scope
def load(request: ApiRequest, body: PacksIn) -> PackReportOut:
    tree = read_tree((file.name, file.text.encode("utf-8", "surrogatepass")) for file in body.files)
    return _brought(request.membership, tree, name=body.name, reason=body.reason, only_look=body.only_look)


@imports.post("", response=PackReportOut, summary="The same of a zip, such as an export")
@in_scope
def load_zip(request: ApiRequest, file: File[UploadedFile], wanted: Form[ZipIn]) -> PackReportOut:
    if (file.size or 0) > MOST_ZIP_BYTES:
        raise PackTooLarge(f"A pack may have {MOST_ZIP_BYTES // 1024**2} MiB as a zip.", most=MOST_ZIP_BYTES)
    tree = read_tree([((file.name or "")[-200:], bytes(file.read()))])
    return _brought(request.membership, tree, **wanted.dict())


@router.get("/{pack_name}", response=PackDetailOut, summary="One pack, with its functions, rules and releases")
@in_scope
def show(request: ApiRequest, pack_name: str) -> PackDetailOut:
    return _told(find_pack(actor=request.membership, name=pack_name))


@router.post("/{pack_name}/remove", response=PackDetailOut, summary="Archive the functions that a pack made")
@in_scope
def remove(request: ApiRequest, pack_name: str) -> PackDetailOut:
    remove_pack(actor=request.membership, name=pack_name)
    return _told(find_pack(actor=request.membership, name=pack_name))


@router.post("/{pack_name}/restore", response=PackDetailOut, summary="Bring a removed pack back")
@in_scope
def restore(request: ApiRequest, pack_name: str) -> PackDetailOut:
    restore_pack(actor=request.membership, name=pack_name)
    return _told(find_pack(actor=request.membership, name=pack_name))


@router.get("/{pack_name}/export", summary="An installed pack as it is now, as a zip")
@in_scope
def export_one(request: ApiRequest, pack_name: str) -> HttpResponseBase:
    pack = find_pack(actor=request.membership, name=pack_name)
    files = export_pack(actor=request.membership, release=whole_release(pack.installed or pack.newest))
    return zipped(files, pack_name)


@exports.get("", summary="Functions as a pack, as a zip: those named with all that they call, or the whole library")
@in_scope
def export_some(request: ApiRequest, wanted: Query[ExportWanted]) -> HttpResponseBase:
    called = wanted.pack or request.membership.workspace.slug
    files = export_functions(actor=request.membership, names=wanted.names or None, pack=called, version=wanted.version)
    return zipped(files, called)


@shipped.get("", response=list[ShippedPackOut], summary="The packs that ship with Selfsmith")
@in_scope
def list_shipped(request: ApiRequest) -> list[ShippedPackOut]:
    require(request.membership, Permission.VIEW)
    return [ShippedPackOut.of(pack) for pack in shipped_packs()]


@shipped.post("/{pack_name}", response=PackReportOut, summary="Install a pack that ships, or only look at what it would bring")
@in_scope
def load_shipped(request: ApiRequest, pack_name: str, body: ShippedPackIn) -> PackReportOut:
    require(request.membership, Permission.DEVELOP)
    return _brought(request.membership, find_shipped(pack_name).tree, name="", **body.dict())


def zipped(files: dict[str, str], name: str) -> HttpResponse:
    """A download whose bytes depend on the files alone."""
    response = HttpResponse(write_zip(files), content_type="application/zip")
    response.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=f"{name}.zip") or "attachment"
    )
    return response


def _brought(actor: Membership, tree: Tree, *, name: str, reason: str, only_look: bool) -> PackReportOut:
    if only_look:
        return PackReportOut.of(look_at_pack(actor=actor, tree=tree, name=name), None)
    release, plan = install_pack(actor=actor, tree=tree, name=name, reason=reason)
    return PackReportOut.of(plan, release)


def _told(pack: Pack) -> PackDetailOut:
    newest = whole_release(pack.newest)
    uses = find_users(pack.installed) if pack.installed else []
    return PackDetailOut(
        **PackOut.of(pack).dict(),
        functions=loaded_of(newest.functions),
        rules=newest.brings["rules"],
        releases=[ReleaseOut.of(each) for each in pack.releases.all()],
        users=[PackUseOut(function=each.function, kind=each.kind, name=each.name) for each in uses],
    )
