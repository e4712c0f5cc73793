"""The tenant, its members, and the tokens by which programs act for a member."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.core.ids import uuid7
from apps.core.tenancy import TenantModel
from apps.workspaces.roles import PERMISSIONS, TOKEN_SCOPES, Permission, Role


class Workspace(models.Model):
    """The tenant itself: the one table of the domain that no scope hides; membership decides who learns of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.slug


class Membership(TenantModel):
    """A user in a workspace, with a role. Every domain service takes one as its `actor`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=[(role.value, role.value) for role in Role])
    joined_at = models.DateTimeField(db_default=Now())
    # Set on the instance by authentication: a program with a token may do less than its member.
    is_token = False
    token: "ApiToken | None" = None

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="workspaces_membership_once")]

    def __str__(self) -> str:
        return self.user.username

    @property
    def token_name(self) -> str:
        """By which program the member acts; empty for the member in person."""
        return self.token.name if self.token else ""

    def can(self, permission: Permission) -> bool:
        return self.role_allows(permission) and (self.token is None or self.token.allows(permission))

    def role_allows(self, permission: Permission) -> bool:
        """What the member may in person, whatever the token at hand is for."""
        return permission in PERMISSIONS[Role(self.role)]


class Group(TenantModel):
    """Members who are meant together, whatever their roles: a folder of functions can be for them alone."""

    name = models.CharField(max_length=60)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="workspaces_group_name_once")]

    def __str__(self) -> str:
        return self.name


class GroupMember(TenantModel):
    """A member's place in a group; it goes with either."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="places")
    member = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "member"], name="workspaces_group_member_once")]

    def __str__(self) -> str:
        return f"{self.member_id} in {self.group_id}"


def every_scope() -> list[str]:
    """Of tokens that nobody has narrowed."""
    return [scope.value for scope in TOKEN_SCOPES]


class ApiToken(TenantModel):
    """A program's key to act for one member. Only a hash is kept; the token itself is shown once."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=every_scope)
    functions = models.JSONField(default=list, blank=True)  # names; when there are any it may run these and nothing else
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def holds(self, permission: Permission) -> bool:
        """Whether one of its scopes covers the permission, for whatever functions it is."""
        return any(permission in TOKEN_SCOPES[Permission(scope)] for scope in self.scopes)

    def allows(self, permission: Permission) -> bool:
        """Whether it may do so in general. One for named functions may only look: see `services.require_function`."""
        return permission == Permission.VIEW or (self.holds(permission) and not self.functions)

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now
