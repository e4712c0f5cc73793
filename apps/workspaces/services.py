"""Make workspaces, give and take memberships and tokens, and decide what an actor may do."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import models
from django.utils import timezone

from apps.accounts.models import User
from apps.audit.services import record
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound
from apps.core.tenancy import every_workspace, scope
from apps.workspaces.models import ApiToken, Membership, Workspace, every_scope
from apps.workspaces.roles import PERMISSIONS, TOKEN_SCOPES, Permission, Role

MAX_TOKEN_FUNCTIONS = 100
LONGEST_FUNCTION_NAME = 100
TOKEN_PREFIX = "sst_"  # noqa: S105  a mark by which leaked tokens are found, no secret
LAST_USE_GRAIN = timedelta(minutes=1)  # a token's last use is not written with every request
NEEDED_FOR = {
    Permission.VIEW: "see this workspace",
    Permission.RUN: "run functions",
    Permission.PROPOSE: "write drafts or ask for packages, hosts and secrets",
    Permission.DEVELOP: "write functions or start tasks",
    Permission.VOTE: "decide approval requests",
    Permission.ADMINISTER: "manage secrets, models and members",
    Permission.OWN: "give or take ownership",
}


class PermissionMissing(Forbidden):
    code = "permission_missing"


class TokenCannot(Forbidden):
    code = "token_cannot"


class ScopeMissing(Forbidden):
    """The member may, and the token that they gave to a program may not."""

    code = "scope_missing"


class BadScopes(Invalid):
    code = "bad_scopes"


class NoSuchMember(NotFound):
    code = "no_such_member"


class LastOwner(Conflict):
    code = "last_owner"


class SlugTaken(Conflict):
    code = "slug_taken"


class NoSuchToken(NotFound):
    code = "no_such_token"


def require(actor: Membership, permission: Permission) -> None:
    """Let only those through whose role has the permission, and whose token too where they act by one.

    Raises:
        PermissionMissing, ScopeMissing
    """
    if not actor.role_allows(permission):
        roles = " or ".join(role.value for role, granted in PERMISSIONS.items() if permission in granted)
        raise PermissionMissing(
            f"To {NEEDED_FOR[permission]} one must be {roles}; you are {actor.role} here.", permission=permission
        )
    if not actor.can(permission):
        raise ScopeMissing(
            f"This token is not for it: to {NEEDED_FOR[permission]} {_remedy(actor, permission)}", scope=permission
        )


def require_function(actor: Membership, permission: Permission, name: str) -> None:
    """The same for what is done with one function: a token for named functions may do it with those alone.

    Raises:
        PermissionMissing, ScopeMissing
    """
    token = actor.token
    if token and token.functions and name in token.functions and token.holds(permission) and actor.role_allows(permission):
        return
    require(actor, permission)


def _remedy(actor: Membership, permission: Permission) -> str:
    if permission not in TOKEN_SCOPES:
        return "sign in as a person."
    if actor.token and actor.token.functions and actor.token.holds(permission):
        return f"with anything but {', '.join(actor.token.functions)} make one without a list of functions."
    return f"make one with the scope “{permission}”."


def require_person(actor: Membership) -> None:
    """Some things are for people at a page, never for programs.

    Raises:
        TokenCannot
    """
    if actor.is_token:
        raise TokenCannot("An API token cannot do this: sign in as a person.")


def create_workspace(*, slug: str, name: str, owner: User) -> Workspace:
    """A new tenant with its first owner.

    Raises:
        SlugTaken
    """
    with every_workspace(reason="a workspace that does not exist yet has no scope"):
        if Workspace.objects.filter(slug=slug).exists():
            raise SlugTaken(f"There is a workspace {slug} already.")
        workspace = Workspace.objects.create(slug=slug, name=name)
    with scope(workspace.pk):
        member = Membership.objects.create(user=owner, role=Role.OWNER)
        record(actor=member, action="workspace.created", subject=workspace)
    return workspace


def add_member(*, actor: Membership, user: User, role: Role) -> Membership:
    """Give an account a role here, or change the one it has. Only an owner makes owners.

    Raises:
        PermissionMissing, LastOwner
    """
    require(actor, Permission.OWN if role == Role.OWNER else Permission.ADMINISTER)
    _one_change_at_a_time(actor)
    existing = Membership.objects.select_for_update().filter(user=user).first()
    if existing:
        _keep_an_owner(actor, existing, becoming=role)
    member, _ = Membership.objects.update_or_create(user=user, defaults={"role": role})
    record(actor=actor, action="member.set", subject=member, role=role)
    return member


def remove_member(*, actor: Membership, membership_id: UUID) -> None:
    """Take somebody's membership and tokens.

    Raises:
        PermissionMissing, NoSuchMember, LastOwner
    """
    require(actor, Permission.ADMINISTER)
    _one_change_at_a_time(actor)
    member = Membership.objects.select_for_update(of=("self",)).select_related("user").filter(pk=membership_id).first()
    if member is None:
        raise NoSuchMember("There is no such member here.")
    _keep_an_owner(actor, member, becoming=None)
    record(actor=actor, action="member.removed", subject=member, role=member.role)
    member.delete()


def _one_change_at_a_time(actor: Membership) -> None:
    """Until the end of the transaction: of two owners who leave at once, each would count on the other."""
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)


def _keep_an_owner(actor: Membership, member: Membership, *, becoming: Role | None) -> None:
    if member.role != Role.OWNER or becoming == Role.OWNER:
        return
    require(actor, Permission.OWN)
    if not Membership.objects.filter(role=Role.OWNER).exclude(pk=member.pk).exists():
        raise LastOwner("A workspace keeps at least one owner: make somebody else owner first.")


def find_membership(*, user: User, slug: str) -> Membership | None:
    """The user's membership in the workspace of this slug; None for strangers, closed accounts and slugs that do not exist."""
    with every_workspace(reason="the membership tells which scope may be entered"):
        rows = Membership.objects.select_related("workspace", "user")
        return rows.filter(user=user, user__is_active=True, workspace__slug=slug).first()


def find_member(*, actor: Membership, username: str) -> Membership:
    """A member of the actor's workspace by the name of the account.

    Raises:
        PermissionMissing, NoSuchMember
    """
    require(actor, Permission.VIEW)
    member = Membership.objects.select_related("user").filter(user__username=username.replace("\x00", "")).first()
    if member is None:
        raise NoSuchMember(f"There is no member {username[:150]} here.")
    return member


def memberships_of(user: User) -> list[Membership]:
    """All workspaces of a user, by name."""
    with every_workspace(reason="listing a user's own workspaces"):
        return list(Membership.objects.select_related("workspace", "user").filter(user=user).order_by("workspace__name"))


def create_token(
    *,
    actor: Membership,
    name: str,
    lifetime: timedelta | None,
    scopes: Iterable[str] | None = None,
    functions: Iterable[str] = (),
) -> str:
    """A new token for the actor's own membership. The return value is the only time it can be read.

    Args:
        scopes: of `roles.TOKEN_SCOPES`; all when left out. A token never does more than its member may at that moment.
        functions: names of the only functions that it may run; then it may do nothing but run them and look.

    Raises:
        TokenCannot: a token cannot make tokens.
        BadScopes
    """
    require_person(actor)
    chosen, named = _checked_scopes(scopes, functions)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = timezone.now() + lifetime if lifetime else None
    row = ApiToken.objects.create(
        membership=actor,
        name=name,
        prefix=token[:10],
        digest=_digest(token),
        scopes=chosen,
        functions=named,
        expires_at=expires_at,
    )
    record(actor=actor, action="token.created", subject=row, scopes=chosen, functions=named)
    return token


def _checked_scopes(scopes: Iterable[str] | None, functions: Iterable[str]) -> tuple[list[str], list[str]]:
    wanted, named = set(every_scope() if scopes is None else scopes), sorted(set(functions))
    if unknown := sorted(wanted - set(every_scope())):
        raise BadScopes(f"There is no scope “{unknown[0][:40]}”. There are: {', '.join(every_scope())}.")
    if not wanted:
        raise BadScopes("Choose at least one scope.")
    if len(named) > MAX_TOKEN_FUNCTIONS or any(not 0 < len(name) <= LONGEST_FUNCTION_NAME for name in named):
        raise BadScopes(f"A token takes the names of at most {MAX_TOKEN_FUNCTIONS} functions.")
    if named and (scopes is None or wanted - {Permission.VIEW, Permission.RUN}):
        raise BadScopes("A token for named functions can have the scopes view and run only: leave out the others, or the names.")
    return [scope for scope in every_scope() if scope in wanted], named


def list_tokens(*, actor: Membership) -> models.QuerySet[ApiToken]:
    """The actor's own tokens, newest first; nobody sees another's."""
    return ApiToken.objects.filter(membership=actor).order_by("-id")


def revoke_token(*, actor: Membership, token_id: UUID) -> None:
    """Take one of the actor's own tokens back, at once.

    Raises:
        TokenCannot, NoSuchToken
    """
    require_person(actor)
    row = list_tokens(actor=actor).select_for_update().filter(pk=token_id).first()
    if row is None:
        raise NoSuchToken("You have no such token here.")
    record(actor=actor, action="token.revoked", subject=row)
    row.delete()


def authenticate_token(token: str, *, now: datetime) -> Membership | None:
    """The membership for which a token acts, marked as such; None when unknown or expired, or the account is closed."""
    with every_workspace(reason="the token tells which scope may be entered"):
        rows = ApiToken.objects.select_related("membership__user", "membership__workspace")
        row = rows.filter(digest=_digest(token), membership__user__is_active=True).first()
        if row is None or row.is_expired(now):
            return None
        if row.last_used_at is None or now - row.last_used_at > LAST_USE_GRAIN:
            ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)
        member = row.membership
    member.is_token, member.token = True, row
    return member


def _digest(token: str) -> str:
    """Tokens have 256 random bits, so a plain hash is enough to keep them."""
    return hashlib.sha256(token.encode()).hexdigest()
