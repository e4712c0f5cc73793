"""Groups of members: made and filled by admins, named by folders of functions."""

from collections.abc import Iterable
from uuid import UUID

from apps.audit.services import record
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.tenancy import current_workspace_id, scope
from apps.workspaces.models import Group, GroupMember, Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import NoSuchMember, require

LONGEST_NAME = 60


class BadGroupName(Invalid):
    code = "bad_group_name"


class GroupTaken(Conflict):
    code = "group_taken"


class NoSuchGroup(NotFound):
    code = "no_such_group"


def list_groups(*, actor: Membership) -> list[tuple[Group, list[Membership]]]:
    """All groups by name, each with its members. Two queries.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.VIEW)
    groups = list(Group.objects.order_by("name"))
    found: dict[UUID, list[Membership]] = {group.pk: [] for group in groups}
    for each in GroupMember.objects.select_related("member__user").order_by("member__user__username"):
        found[each.group_id].append(each.member)
    return [(group, found[group.pk]) for group in groups]


def find_group(*, actor: Membership, name: str) -> Group:
    """Find a group by its name.

    Raises:
        PermissionMissing, NoSuchGroup
    """
    require(actor, Permission.VIEW)
    group = Group.objects.filter(name=name).first()
    if group is None:
        raise NoSuchGroup(f"There is no group “{name[:LONGEST_NAME]}” here.")
    return group


def make_group(*, actor: Membership, name: str, members: Iterable[Membership] = ()) -> Group:
    """Make a group.

    Raises:
        PermissionMissing, BadGroupName, GroupTaken, NoSuchMember
    """
    require(actor, Permission.ADMINISTER)
    name = " ".join(name.replace("\x00", " ").split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadGroupName(f"A group has a name of at most {LONGEST_NAME} visible characters.")
    with scope(current_workspace_id()):
        group, is_new = Group.objects.get_or_create(name=name)
        if not is_new:
            raise GroupTaken(f"There is a group “{name}” already.")
        record(actor=actor, action="group.made", subject=group, name=name)
        fill_group(actor=actor, group=group, members=members)
    return group


def fill_group(*, actor: Membership, group: Group, members: Iterable[Membership]) -> None:
    """Put exactly these members into a group.

    Raises:
        PermissionMissing, NoSuchMember: one of them is of another workspace.
    """
    require(actor, Permission.ADMINISTER)
    wanted = {member.pk: member for member in members}
    if any(member.workspace_id != group.workspace_id for member in wanted.values()):
        raise NoSuchMember("There is no such member here.")
    with scope(current_workspace_id()):
        GroupMember.objects.filter(group=group).exclude(member__in=wanted).delete()
        there = set(GroupMember.objects.filter(group=group).values_list("member_id", flat=True))
        GroupMember.objects.bulk_create([GroupMember(group=group, member=wanted[key]) for key in wanted if key not in there])
        record(actor=actor, action="group.filled", subject=group, name=group.name, members=sorted(map(str, wanted.values())))


def remove_group(*, actor: Membership, group: Group) -> None:
    """Remove a group. A folder that was for it alone is then for whomever the folder above says.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.ADMINISTER)
    record(actor=actor, action="group.removed", subject=group, name=group.name)
    group.delete()
