"""Folders of the library: the tree, one folder with whom it is for, moving a function, handing one over."""

from uuid import UUID

from django.http import HttpResponse
from django.urls import path, reverse

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.folders import AccessForm, FolderForm, MoveForm, OwnerForm
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.functions import folders
from apps.functions.access import ways_up
from apps.functions.folders import NoSuchFolder, Place
from apps.functions.models import Folder, FolderAction, Function
from apps.functions.services import get_function
from apps.workspaces.roles import Permission

SHOWN = 100


@page(Permission.VIEW, FORM, to_post=Permission.DEVELOP)
def folders_list(request: PageRequest) -> HttpResponse:
    form = FolderForm(request.POST or None) if request.membership.can(Permission.DEVELOP) else None
    status = 200
    if form is not None and request.method == "POST":
        outcome = _make(request, form) if form.is_valid() else None
        if isinstance(outcome, Folder):
            return go(request, "folder-detail", folder_id=outcome.pk, say=f"{outcome.path} is there.")
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    return show(request, "folders/list.html", {"places": folders.tree(actor=request.membership), "form": form}, status=status)


@page(Permission.VIEW)
def folder_detail(request: PageRequest, folder_id: UUID) -> HttpResponse:
    return _show(request, _place(request, folder_id))


@page(Permission.DEVELOP, POST)
def folder_rename(request: PageRequest, folder_id: UUID) -> HttpResponse:
    place = _place(request, folder_id)
    form = FolderForm(request.POST)
    outcome = None
    if form.is_valid():
        given = form.cleaned_data["path"]
        outcome = attempt(request, lambda: folders.rename_folder(actor=request.membership, folder=place.folder, path=given))
        if isinstance(outcome, Folder):
            return go(request, "folder-detail", folder_id=folder_id, say=f"It is {outcome.path} now.")
    status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    return _show(request, place, form=form, status=status)


@page(Permission.DEVELOP, POST)
def folder_remove(request: PageRequest, folder_id: UUID) -> HttpResponse:
    place = _place(request, folder_id)
    outcome = attempt(request, lambda: folders.remove_folder(actor=request.membership, folder=place.folder))
    if isinstance(outcome, DomainError):
        return _show(request, place, errors=[outcome.message], status=outcome.status)
    return go(request, "folders-list", say=f"{place.folder.path} is removed.")


@page(Permission.ADMINISTER, POST)
def folder_access(request: PageRequest, folder_id: UUID, action: FolderAction) -> HttpResponse:
    place = _place(request, folder_id)
    form = AccessForm(request.POST, action=action)
    if not form.is_valid():
        return _show(request, place, errors=["Choose roles and groups that there are."], status=UNPROCESSABLE)
    folders.keep_for(actor=request.membership, folder=place.folder, action=action, **form.cleaned_data)
    said = "Saved. It holds for runs that start and versions that are saved from now on."
    return go(request, "folder-detail", folder_id=folder_id, say=said)


@page(Permission.DEVELOP, POST)
def function_move(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    form = MoveForm(request.POST)
    if not form.is_valid():
        raise NoSuchFolder("There is no such folder here.")
    folder = form.cleaned_data["folder"]
    folders.move_functions(actor=request.membership, functions=[function], folder=folder)
    where = f"in {folder.path}" if folder else "at the top of the library"
    return go(request, "function-detail", function_id=function_id, say=f"It lies {where} now.")


@page(Permission.DEVELOP, POST)
def function_owner(request: PageRequest, function_id: UUID) -> HttpResponse:
    function = get_function(actor=request.membership, function_id=function_id)
    form = OwnerForm(request.POST)
    if not form.is_valid():
        raise folders.CannotOwn("Choose a member who may write functions here.")
    folders.hand_over(actor=request.membership, function=function, owner=form.cleaned_data["owner"])
    return go(request, "function-detail", function_id=function_id, say=f"{form.cleaned_data['owner']} owns it now.")


def _make(request: PageRequest, form: FolderForm) -> Folder | DomainError:
    return attempt(request, lambda: folders.make_folder(actor=request.membership, path=form.cleaned_data["path"]))


def _place(request: PageRequest, folder_id: UUID) -> Place:
    found = next((place for place in folders.tree(actor=request.membership) if place.folder.pk == folder_id), None)
    if found is None:
        raise NoSuchFolder("There is no such folder here.")
    return found


def _show(
    request: PageRequest, place: Place, *, form: FolderForm | None = None, errors: list[str] | None = None, status: int = 200
) -> HttpResponse:
    may = request.membership.can
    keepers = [
        (action, _address(request, place, action), *_keepers(place, action), _access_form(request, place, action))
        for action in FolderAction
    ]
    told = {
        "place": place,
        "below": [each for each in folders.tree(actor=request.membership) if place.folder.path in ways_up(each.folder.path)[1:]],
        "functions": Function.objects.library().filter(folder=place.folder).order_by("name")[:SHOWN],
        "shown": SHOWN,
        "keepers": keepers,
        "form": form or (FolderForm(initial={"path": place.folder.path}) if may(Permission.DEVELOP) else None),
        "errors": errors or [],
    }
    return show(request, "folders/detail.html", told, status=status)


def _keepers(place: Place, action: FolderAction) -> tuple[list[str], list[str]]:
    rows = [row for row in place.access if row.action == action]
    return sorted(row.role for row in rows if row.role), sorted(row.group.name for row in rows if row.group)


def _address(request: PageRequest, place: Place, action: FolderAction) -> str:
    return reverse(f"folder-keep-{action}", kwargs={"slug": request.workspace.slug, "folder_id": place.folder.pk})


def _access_form(request: PageRequest, place: Place, action: FolderAction) -> AccessForm | None:
    if not request.membership.can(Permission.ADMINISTER):
        return None
    rows = [row for row in place.access if row.action == action]
    given = {"roles": [row.role for row in rows if row.role], "groups": [row.group_id for row in rows if row.group_id]}
    return AccessForm(action=action, initial=given, auto_id=f"{action}_%s")


urlpatterns = [
    path("functions/folders/", folders_list, name="folders-list"),
    path("functions/folders/<uuid:folder_id>/", folder_detail, name="folder-detail"),
    path("functions/folders/<uuid:folder_id>/rename", folder_rename, name="folder-rename"),
    path("functions/folders/<uuid:folder_id>/remove", folder_remove, name="folder-remove"),
    *(
        path(f"functions/folders/<uuid:folder_id>/keep/{action}", folder_access, {"action": action}, name=f"folder-keep-{action}")
        for action in FolderAction
    ),
    path("functions/<uuid:function_id>/move", function_move, name="function-move"),
    path("functions/<uuid:function_id>/owner", function_owner, name="function-owner"),
]
