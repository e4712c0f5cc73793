"""The tenant, its members, and the tokens by which programs act for a member."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.core.ids import uuid7
from apps.core.tenancy import TenantModel
from apps.workspaces.roles import PERMISSIONS, Permission, Role


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
    is_token = False  # set on the instance by the API's authentication: tokens may do less than their member

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="workspaces_membership_once")]

    def __str__(self) -> str:
        return self.user.username

    def can(self, permission: Permission) -> bool:
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


class ApiToken(TenantModel):
    """A program's key to act for one member. Only a hash is kept; the token itself is shown once."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now
