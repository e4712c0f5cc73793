"""Groups of members."""

import pytest

from apps.core.tenancy import scope
from apps.workspaces.groups import (
    BadGroupName,
    GroupTaken,
    NoSuchGroup,
    fill_group,
    find_group,
    list_groups,
    make_group,
    remove_group,
)
from apps.workspaces.models import GroupMember
from apps.workspaces.services import NoSuchMember, PermissionMissing, remove_member


def told(actor) -> dict[str, list[str]]:
    return {group.name: [str(member) for member in members] for group, members in list_groups(actor=actor)}


def test_a_group_is_made_filled_and_removed(in_acme, admin, developer, operator) -> None:
    group = make_group(actor=admin, name="  cards   team ", members=[developer])
    assert told(admin) == {"cards team": ["developer"]}
    fill_group(actor=admin, group=group, members=[operator, admin])
    assert told(admin) == {"cards team": ["admin", "operator"]}
    remove_group(actor=admin, group=group)
    assert (told(admin), GroupMember.objects.count()) == ({}, 0)


def test_only_admins_make_groups(in_acme, developer) -> None:
    with pytest.raises(PermissionMissing):
        make_group(actor=developer, name="cards")


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\u202eb", "\x00"])
def test_a_name_that_cannot_be_read_is_refused(in_acme, admin, name: str) -> None:
    with pytest.raises(BadGroupName):
        make_group(actor=admin, name=name)


def test_a_name_is_taken_once(in_acme, admin) -> None:
    make_group(actor=admin, name="cards")
    with pytest.raises(GroupTaken):
        make_group(actor=admin, name="cards")


def test_who_leaves_the_workspace_leaves_its_groups(in_acme, admin, developer) -> None:
    make_group(actor=admin, name="cards", members=[developer])
    remove_member(actor=admin, membership_id=developer.pk)
    assert told(admin) == {"cards": []}


def test_a_stranger_is_put_into_no_group_and_finds_none(cast) -> None:
    with scope(cast.acme.pk), pytest.raises(NoSuchMember):
        make_group(actor=cast.admin, name="cards", members=[cast.stranger])
    with scope(cast.acme.pk):
        make_group(actor=cast.admin, name="cards")
    with scope(cast.globex.pk), pytest.raises(NoSuchGroup):
        find_group(actor=cast.stranger, name="cards")
