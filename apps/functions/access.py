"""Who may run and change which function: a folder can keep both for some. The one place that decides it.

Roles come first (workspaces.roles): a folder never gives what a role does not. The nearest folder on the way up that says
anything about an action decides; where none does, everybody whose role allows it may. Admins, owners of the workspace and
the owner of a function are never kept out.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from apps.core.errors import Forbidden
from apps.functions.models import Folder, FolderAccess, FolderAction, Function
from apps.workspaces.models import GroupMember, Membership
from apps.workspaces.roles import Permission

_WORDS = {FolderAction.RUN: "run", FolderAction.EDIT: "change"}


class FolderForbids(Forbidden):
    """A folder keeps it for others; `details["folder"]` is the path of the one that says so."""

    code = "folder_forbids"


@dataclass(slots=True)
class _Keepers:
    """Whom one folder keeps an action for."""

    roles: set[str] = field(default_factory=set)
    groups: set[UUID] = field(default_factory=set)


def require_access(actor: Membership, functions: Iterable[Function], action: FolderAction) -> None:
    """Let the actor do something with functions, wherever they lie. No query where none of them lies in a folder.

    Raises:
        FolderForbids
    """
    if actor.can(Permission.ADMINISTER):
        return
    others = [(each, each.folder_id) for each in functions if each.folder_id is not None and each.owner_id != actor.pk]
    if not others:
        return
    paths = dict(Folder.objects.filter(pk__in={folder for _, folder in others}).values_list("pk", "path"))
    keepers = _keepers_on_the_way(paths.values(), action)
    groups = _groups_of(actor, keepers)
    for each, folder in others:
        _check(actor, groups, keepers, paths[folder], action, f"“{each.name}”")


def require_folder_access(actor: Membership, path: str, action: FolderAction) -> None:
    """Let the actor do something in a folder, which need not be there yet; the empty path is the top, where all may.

    Raises:
        FolderForbids
    """
    if path and not actor.can(Permission.ADMINISTER):
        keepers = _keepers_on_the_way([path], action)
        _check(actor, _groups_of(actor, keepers), keepers, path, action, "what is in it")


def ways_up(path: str) -> list[str]:
    """The path and all above it, nearest first: `a/b/c`, `a/b`, `a`."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _keepers_on_the_way(paths: Iterable[str], action: FolderAction) -> dict[str, _Keepers]:
    above = {each for path in paths for each in ways_up(path)}
    rows = FolderAccess.objects.filter(folder__path__in=above, action=action).values_list("folder__path", "role", "group_id")
    keepers = defaultdict[str, _Keepers](_Keepers)
    for path, role, group in rows:
        if group is None:
            keepers[path].roles.add(role)
        else:
            keepers[path].groups.add(group)
    return dict(keepers)


def _groups_of(actor: Membership, keepers: dict[str, _Keepers]) -> set[UUID]:
    if not any(each.groups for each in keepers.values()):
        return set()
    return set(GroupMember.objects.filter(member=actor).values_list("group_id", flat=True))


def _check(
    actor: Membership, groups: set[UUID], keepers: dict[str, _Keepers], path: str, action: FolderAction, what: str
) -> None:
    deciding = next((each for each in ways_up(path) if each in keepers), None)
    if deciding is None or actor.role in keepers[deciding].roles or groups & keepers[deciding].groups:
        return
    raise FolderForbids(
        f"The folder “{deciding}” says who may {_WORDS[action]} {what}, and not you. Ask an admin of the workspace.",
        folder=deciding,
    )
