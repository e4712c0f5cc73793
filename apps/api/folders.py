"""Folders of the library, groups of members that they can be for, and who owns a function."""

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.folder_schemas import AccessIn, FolderIn, FolderOut, GroupIn, GroupOut, MoveIn, OwnerIn
from apps.api.functions import found_function
from apps.api.schemas import FunctionOut
from apps.functions import folders
from apps.functions.models import Folder, FolderAction
from apps.workspaces import groups
from apps.workspaces.services import find_member

router, group_router, function_router = Router(), Router(), Router()


@router.get("", response=list[FolderOut], summary="All folders with how many functions lie in them")
@in_scope
def list_folders(request: ApiRequest) -> object:
    return [FolderOut.of(place) for place in folders.tree(actor=request.membership)]


@router.post("", response={201: FolderOut}, summary="Make a folder and those above it that are not there yet")
@in_scope
def make(request: ApiRequest, body: FolderIn) -> Status[FolderOut]:
    return Status(201, _shown(request, folders.make_folder(actor=request.membership, path=body.path)))


@router.patch("", response=FolderOut, summary="Give a folder another path")
@in_scope
def rename(request: ApiRequest, path: str, body: FolderIn) -> FolderOut:
    folder = folders.find_folder(actor=request.membership, path=path)
    return _shown(request, folders.rename_folder(actor=request.membership, folder=folder, path=body.path))


@router.delete("", response={204: None}, summary="Remove an empty folder")
@in_scope
def remove(request: ApiRequest, path: str) -> Status[None]:
    folders.remove_folder(actor=request.membership, folder=folders.find_folder(actor=request.membership, path=path))
    return Status(204, None)


@router.put("/access", response=FolderOut, summary="Say who may run, or change, what is in a folder; nobody named: as above it")
@in_scope
def keep(request: ApiRequest, path: str, body: AccessIn) -> FolderOut:
    actor = request.membership
    folder = folders.find_folder(actor=actor, path=path)
    named = [groups.find_group(actor=actor, name=name) for name in body.groups]
    folders.keep_for(actor=actor, folder=folder, action=FolderAction(body.action), roles=body.roles, groups=named)
    return _shown(request, folder)


@group_router.get("", response=list[GroupOut], summary="Groups of members")
@in_scope
def list_groups(request: ApiRequest) -> object:
    return [GroupOut.of(group, members) for group, members in groups.list_groups(actor=request.membership)]


@group_router.put("/{name}", response=GroupOut, summary="Make a group, or put exactly these members into it")
@in_scope
def put_group(request: ApiRequest, name: str, body: GroupIn) -> GroupOut:
    actor = request.membership
    members = [find_member(actor=actor, username=each) for each in body.members]
    try:
        group = groups.find_group(actor=actor, name=name)
    except groups.NoSuchGroup:
        group = groups.make_group(actor=actor, name=name, members=members)
    else:
        groups.fill_group(actor=actor, group=group, members=members)
    return GroupOut.of(group, members)


@group_router.delete("/{name}", response={204: None}, summary="Remove a group")
@in_scope
def remove_group(request: ApiRequest, name: str) -> Status[None]:
    groups.remove_group(actor=request.membership, group=groups.find_group(actor=request.membership, name=name))
    return Status(204, None)


@function_router.post("/move", response=list[FunctionOut], summary="Move functions into a folder, or to the top of the library")
@in_scope
def move(request: ApiRequest, body: MoveIn) -> object:
    moved = [found_function(request.membership, name) for name in dict.fromkeys(body.functions)]
    folder = folders.find_folder(actor=request.membership, path=body.folder) if body.folder else None
    folders.move_functions(actor=request.membership, functions=moved, folder=folder)
    return [FunctionOut.of(function) for function in moved]


@function_router.put("/{name}/owner", response=FunctionOut, summary="Make somebody else the owner")
@in_scope
def hand_over(request: ApiRequest, name: str, body: OwnerIn) -> FunctionOut:
    function = found_function(request.membership, name)
    folders.hand_over(
        actor=request.membership, function=function, owner=find_member(actor=request.membership, username=body.owner)
    )
    return FunctionOut.of(function)


def _shown(request: ApiRequest, folder: Folder) -> FolderOut:
    return next(FolderOut.of(place) for place in folders.tree(actor=request.membership) if place.folder.pk == folder.pk)
