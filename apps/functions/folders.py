"""Folders of the library: make, rename, remove them, move functions, say whom they are for; and who owns a function."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, F, Prefetch, Q, Value
from django.db.models.functions import Concat, Substr

from apps.audit.services import record
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.access import require_access, require_folder_access, ways_up
from apps.functions.models import Folder, FolderAccess, FolderAction, Function
from apps.workspaces.models import Group, Membership
from apps.workspaces.roles import Permission, Role
from apps.workspaces.services import require

DEEPEST = 6
MOST = 500
_PART = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class BadPath(Invalid):
    code = "bad_folder_path"


class FolderTaken(Conflict):
    code = "folder_taken"


class FolderNotEmpty(Conflict):
    code = "folder_not_empty"


class TooManyFolders(Conflict):
    code = "too_many_folders"


class NoSuchFolder(NotFound):
    code = "no_such_folder"


class CannotOwn(Invalid):
    """An owner must be able to change what they own."""

    code = "cannot_own"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder as a tree shows it: how many functions lie in it, and in it and all below."""

    folder: Folder
    own: int
    whole: int
    access: Sequence[FolderAccess]

    @property
    def name(self) -> str:
        return self.folder.path.rpartition("/")[2]

    @property
    def depth(self) -> int:
        return self.folder.path.count("/")


def tree(*, actor: Membership) -> list[Place]:
    """All folders in the order of their paths, with their functions of the library counted and whom they are for. Two queries."""
    require(actor, Permission.VIEW)
    in_library = Q(functions__archived_at=None, functions__task_id=None)
    rows = Folder.objects.annotate(own=Count("functions", filter=in_library))
    folders = list(rows.prefetch_related(Prefetch("access", FolderAccess.objects.select_related("group"))))
    counts: dict[str, int] = {folder.path: folder.own for folder in folders}  # type: ignore[attr-defined]  # annotated
    whole = Counter[str]()
    for path, own in counts.items():
        whole.update(dict.fromkeys(ways_up(path), own))
    in_order = sorted(folders, key=lambda each: each.path.split("/"))
    return [Place(folder, counts[folder.path], whole[folder.path], list(folder.access.all())) for folder in in_order]


def find_folder(*, actor: Membership, path: str) -> Folder:
    """Find a folder by its path.

    Raises:
        PermissionMissing, NoSuchFolder
    """
    require(actor, Permission.VIEW)
    folder = Folder.objects.filter(path=path).first()
    if folder is None:
        raise NoSuchFolder(f"There is no folder “{path[:200]}” here.")
    return folder


def make_folder(*, actor: Membership, path: str) -> Folder:
    """Make a folder, and those above it that are not there yet. One that is there is given as it is.

    Raises:
        PermissionMissing, BadPath, FolderForbids, TooManyFolders
    """
    require(actor, Permission.DEVELOP)
    _check_path(path)
    require_folder_access(actor, path, FolderAction.EDIT)
    if Folder.objects.count() >= MOST:
        raise TooManyFolders(f"A workspace has at most {MOST} folders.")
    for each in reversed(ways_up(path)):
        folder, is_new = Folder.objects.get_or_create(path=each)
        if is_new:
            record(actor=actor, action="folder.made", subject=folder, path=each)
    return folder


def rename_folder(*, actor: Membership, folder: Folder, path: str) -> Folder:
    """Give a folder another path; what is below goes with it.

    Raises:
        PermissionMissing, BadPath, FolderForbids, FolderTaken, TooManyFolders
    """
    require(actor, Permission.DEVELOP)
    _check_path(path)
    for each in (folder.path, path):
        require_folder_access(actor, each, FolderAction.EDIT)
    before = folder.path
    if path == before:
        return folder
    if path.startswith(f"{before}/"):
        raise BadPath(f"“{path}” lies in the folder itself. Choose a path outside of it.")
    below = Folder.objects.filter(path__startswith=f"{before}/")
    deepest = max((each.count("/") - before.count("/") for each in below.values_list("path", flat=True)), default=0)
    if path.count("/") + deepest >= DEEPEST:
        raise BadPath(f"Folders would be more than {DEEPEST} deep.")
    with scope(current_workspace_id()):
        if Folder.objects.filter(path=path).exists():
            raise FolderTaken(f"There is a folder “{path}” already. Move its functions instead.")
        if "/" in path:
            make_folder(actor=actor, path=path.rpartition("/")[0])
        below.update(path=Concat(Value(path), Substr(F("path"), len(before) + 1)))
        Folder.objects.filter(pk=folder.pk).update(path=path)
        record(actor=actor, action="folder.renamed", subject=folder, before=before, path=path)
    folder.path = path
    return folder


def remove_folder(*, actor: Membership, folder: Folder) -> None:
    """Remove an empty folder.

    Raises:
        PermissionMissing, FolderForbids, FolderNotEmpty
    """
    require(actor, Permission.DEVELOP)
    require_folder_access(actor, folder.path, FolderAction.EDIT)
    functions = folder.functions.count()
    below = Folder.objects.filter(path__startswith=f"{folder.path}/").count()
    if functions or below:
        raise FolderNotEmpty(
            f"“{folder.path}” holds {functions} functions, those in the archive included, and {below} folders. Move them first."
        )
    record(actor=actor, action="folder.removed", subject=folder, path=folder.path)
    folder.delete()


def move_functions(*, actor: Membership, functions: Sequence[Function], folder: Folder | None) -> None:
    """Move functions into a folder, or to the top. Who moves them must be able to change them here and there.

    Raises:
        PermissionMissing, FolderForbids, NoSuchFolder (a task's own function has no place)
    """
    require(actor, Permission.DEVELOP)
    require_access(actor, functions, FolderAction.EDIT)
    if any(each.task_id is not None for each in functions):
        raise NoSuchFolder("A task's own function lies in no folder.")
    if folder is not None:
        require_folder_access(actor, folder.path, FolderAction.EDIT)
    for each in functions:
        if each.folder_id != (folder.pk if folder else None):
            Function.objects.filter(pk=each.pk).update(folder=folder)
            record(actor=actor, action="function.moved", subject=each, folder=folder.path if folder else "")
            each.folder = folder


def keep_for(
    *, actor: Membership, folder: Folder, action: FolderAction, roles: Iterable[Role] = (), groups: Iterable[Group] = ()
) -> None:
    """Say who may do something in a folder and below; without anybody the folder above decides again.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.ADMINISTER)
    given_roles, given_groups = sorted(set(roles)), sorted(set(groups), key=lambda each: each.name)
    with scope(current_workspace_id()):
        folder.access.filter(action=action).delete()
        FolderAccess.objects.bulk_create(
            [FolderAccess(folder=folder, action=action, role=role) for role in given_roles]
            + [FolderAccess(folder=folder, action=action, group=group) for group in given_groups]
        )
        names = [*given_roles, *(group.name for group in given_groups)]
        record(actor=actor, action="folder.kept_for", subject=folder, path=folder.path, may=action, who=names)


def hand_over(*, actor: Membership, function: Function, owner: Membership) -> None:
    """Make somebody else the owner: for the owner and for admins.

    Raises:
        PermissionMissing, CannotOwn
    """
    require(actor, Permission.DEVELOP if function.owner_id == actor.pk else Permission.ADMINISTER)
    if not owner.can(Permission.DEVELOP):
        raise CannotOwn(f"{owner} may not write functions here, and cannot own one.")
    Function.objects.filter(pk=function.pk).update(owner=owner)
    record(actor=actor, action="function.handed_over", subject=function, owner=str(owner))
    function.owner = owner


def _check_path(path: str) -> None:
    parts = path.split("/")
    if len(parts) > DEEPEST or not all(_PART.fullmatch(part) for part in parts) or len(path) > 200:
        raise BadPath(
            f"A path is 1 to {DEEPEST} names with slashes between, each of small letters, digits, - and _, at most "
            "40 characters: billing/reports"
        )
