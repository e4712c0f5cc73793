"""Roles, members, tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.models import User
from apps.core.tenancy import scope
from apps.workspaces.models import ApiToken, Membership
from apps.workspaces.roles import Permission, Role
from apps.workspaces.services import (
    LastOwner,
    NoSuchMember,
    PermissionMissing,
    SlugTaken,
    TokenCannot,
    add_member,
    authenticate_token,
    create_token,
    create_workspace,
    find_membership,
    memberships_of,
    remove_member,
    require,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_missing_permission_names_the_roles_that_have_it(in_acme, viewer) -> None:
    with pytest.raises(PermissionMissing, match="approver or admin or owner; you are viewer"):
        require(viewer, Permission.VOTE)


def test_every_role_sees_and_only_owners_own(in_acme) -> None:
    holders = {permission: {m.role for m in Membership.objects.all() if m.can(permission)} for permission in Permission}
    assert holders[Permission.VIEW] == set(Role)
    assert holders[Permission.OWN] == {Role.OWNER}
    assert holders[Permission.VOTE] == {Role.APPROVER, Role.ADMIN, Role.OWNER}


def test_an_admin_cannot_make_an_owner(in_acme, admin, viewer) -> None:
    with pytest.raises(PermissionMissing):
        add_member(actor=admin, user=viewer.user, role=Role.OWNER)


def test_the_last_owner_stays(in_acme, owner, developer) -> None:
    with pytest.raises(LastOwner):
        remove_member(actor=owner, membership_id=owner.pk)
    with pytest.raises(LastOwner):
        add_member(actor=owner, user=owner.user, role=Role.VIEWER)
    add_member(actor=owner, user=developer.user, role=Role.OWNER)
    remove_member(actor=owner, membership_id=owner.pk)
    assert not Membership.objects.filter(user=owner.user).exists()


def test_another_workspace_s_member_cannot_be_removed(in_acme, owner, stranger) -> None:
    with pytest.raises(NoSuchMember):
        remove_member(actor=owner, membership_id=stranger.pk)


def test_a_stranger_has_no_membership_here_and_a_removed_member_none_any_more(cast) -> None:
    assert find_membership(user=cast.stranger.user, slug="acme") is None
    assert find_membership(user=cast.viewer.user, slug="nowhere") is None
    assert [member.workspace.slug for member in memberships_of(cast.stranger.user)] == ["globex"]


def test_a_slug_is_taken_once(cast) -> None:
    with pytest.raises(SlugTaken):
        create_workspace(slug="acme", name="Another", owner=cast.stranger.user)


def test_a_new_workspace_has_its_owner_and_a_record_of_it(db) -> None:
    user = User.objects.create_user("founder")
    workspace = create_workspace(slug="initech", name="Initech", owner=user)
    assert find_membership(user=user, slug="initech").role == Role.OWNER
    assert workspace.slug == "initech"


def test_a_token_acts_for_its_member_and_cannot_make_another(cast) -> None:
    with scope(cast.acme.pk):
        token = create_token(actor=cast.developer, name="laptop", lifetime=timedelta(days=1))
        assert token not in str(ApiToken.objects.values().get())
    member = authenticate_token(token, now=datetime.now(UTC))
    assert member == cast.developer
    assert member.is_token
    with scope(cast.acme.pk), pytest.raises(TokenCannot):
        create_token(actor=member, name="more", lifetime=None)


def test_an_expired_and_an_unknown_token_are_nobody(cast) -> None:
    with scope(cast.acme.pk):
        token = create_token(actor=cast.developer, name="short", lifetime=timedelta(seconds=1))
    assert authenticate_token(token, now=datetime.now(UTC) + timedelta(minutes=1)) is None
    assert authenticate_token("sst_unknown", now=NOW) is None
