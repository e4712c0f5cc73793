"""Versions of a function: write, list, compare, activate, roll back; and the function's place in the library."""

from dataclasses import replace
from uuid import UUID

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.functions import found_function
from apps.api.paging import USUAL, page_of
from apps.api.schemas import FunctionOut, Page, VersionIn
from apps.api.version_schemas import ChoiceIn, DiffOut, UserOut, VersionDetailOut, VersionOut
from apps.functions.activation import activate_version, roll_back
from apps.functions.archive import archive_function, unarchive_function
from apps.functions.definition import Settings, with_grants
from apps.functions.editing import Basis
from apps.functions.impact import impact_of
from apps.functions.models import Function, FunctionVersion, Isolation
from apps.functions.services import compare_versions, find_version, save_version
from apps.runs.answers import forget_answers
from apps.workspaces.models import Membership

router = Router()


class SavedOut(FunctionOut):
    """The function as its active version makes it, and the version that was saved, which is another one for a draft."""

    saved: VersionOut


@router.post("/{name}/versions", response={201: SavedOut}, summary="Write a new version of a function, or a draft of one")
@in_scope
def write_version(request: ApiRequest, name: str, body: VersionIn) -> Status[SavedOut]:
    member = request.membership
    function = found_function(member, name)
    version = save_version(
        actor=member,
        function=function,
        source=body.source,
        requirements=body.requirements,
        dependencies=body.dependencies,
        settings=_settings(body, _edited(member, function, body)),
        basis=Basis(body.based_on, body.newest_seen or body.based_on) if body.based_on is not None else None,
        note=body.note,
        examples=body.examples,
        activate=body.activate,
    )
    told = FunctionOut.of(found_function(member, name)).dict()
    return Status(201, SavedOut(**told, saved=VersionOut.of(version)))


@router.get("/{name}/versions", response=Page[VersionOut], summary="Versions of a function, newest first")
@in_scope
def list_versions(request: ApiRequest, name: str, after: UUID | None = None, limit: int = USUAL) -> object:
    function = found_function(request.membership, name)
    rows = FunctionVersion.objects.for_history().defer("source").filter(function=function)
    return page_of(rows, after=after, limit=limit, show=VersionOut.of)


@router.get("/{name}/versions/{number}", response=VersionDetailOut, summary="One version with its source")
@in_scope
def show_version(request: ApiRequest, name: str, number: int) -> VersionDetailOut:
    return VersionDetailOut.of(_version(request.membership, name, number))


@router.get(
    "/{name}/diff", response=DiffOut, summary="What differs between two versions; without numbers from the active to the newest"
)
@in_scope
def diff(request: ApiRequest, name: str, before: int | None = None, after: int | None = None) -> DiffOut:
    function = found_function(request.membership, name)
    return DiffOut.of(compare_versions(actor=request.membership, function=function, before=before, after=after))


@router.post("/{name}/activate", response=FunctionOut, summary="Make a version the active one")
@in_scope
def activate(request: ApiRequest, name: str, body: ChoiceIn) -> FunctionOut:
    version = _version(request.membership, name, body.version)
    activate_version(actor=request.membership, version=version, instead_of=body.instead_of)
    return FunctionOut.of(found_function(request.membership, name))


@router.post("/{name}/roll-back", response=FunctionOut, summary="Go back to an earlier version that was active")
@in_scope
def go_back(request: ApiRequest, name: str, body: ChoiceIn) -> FunctionOut:
    version = _version(request.membership, name, body.version)
    roll_back(actor=request.membership, version=version, instead_of=body.instead_of)
    return FunctionOut.of(found_function(request.membership, name))


@router.get("/{name}/users", response=Page[UserOut], summary="Functions that call it, directly or through others")
@in_scope
def list_users(request: ApiRequest, name: str, after: UUID | None = None, limit: int = USUAL) -> object:
    rows = impact_of(found_function(request.membership, name)).functions()
    return page_of(rows, after=after, limit=limit, show=UserOut.of)


@router.post("/{name}/archive", response=FunctionOut, summary="Take a function out of the library; nothing of it is lost")
@in_scope
def archive(request: ApiRequest, name: str) -> FunctionOut:
    return FunctionOut.of(
        archive_function(actor=request.membership, function=found_function(request.membership, name))
    )  # fmt: skip


@router.post("/{name}/unarchive", response=FunctionOut, summary="Bring an archived function back")
@in_scope
def unarchive(request: ApiRequest, name: str) -> FunctionOut:
    return FunctionOut.of(
        unarchive_function(actor=request.membership, function=found_function(request.membership, name))
    )  # fmt: skip


@router.post("/{name}/forget-answers", response=FunctionOut, summary="Give no answer again that runs gave until now")
@in_scope
def forget(request: ApiRequest, name: str) -> FunctionOut:
    forget_answers(actor=request.membership, function=found_function(request.membership, name))
    return FunctionOut.of(found_function(request.membership, name))


def _version(member: Membership, name: str, number: int) -> FunctionVersion:
    return find_version(actor=member, function=found_function(member, name), number=number)


def _edited(member: Membership, function: Function, body: VersionIn) -> FunctionVersion | None:
    """The version whose settings stay where the body does not speak of them."""
    if body.based_on is None:
        return function.active_version
    return find_version(actor=member, function=function, number=body.based_on)


def _settings(body: VersionIn, edited: FunctionVersion | None) -> Settings:
    settings = with_grants(Settings.of(edited), hosts=body.hosts, secrets=body.secrets)
    if body.limits is not None:
        settings = replace(settings, limits=body.limits)
    if body.retry_class is not None or body.retry:
        settings = replace(settings, retry_class=body.retry_class, retry=body.retry)
    if body.isolation is not None:
        settings = replace(settings, isolation=Isolation(body.isolation))
    if body.imports_first is not None:
        settings = replace(settings, imports_first=body.imports_first)
    if body.logging is not None:
        settings = replace(settings, logging=body.logging)
    if body.handling is not None:
        settings = replace(settings, handling=body.handling)
    return settings
