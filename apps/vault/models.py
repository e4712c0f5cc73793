"""Secrets and the wrapped keys that open them. Nothing here holds, shows or prints a value."""

from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.core.tenancy import TenantModel


class Purpose(StrEnum):
    FUNCTION = "function"  # may be granted to functions, which then read it in the box
    MODEL = "model"  # opened only to call a language model; never granted to code


class WorkspaceKey(TenantModel):
    """A workspace's key, wrapped by the root key. Without this row nothing of the workspace can be decrypted any more."""

    number = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    root_key_id = models.CharField(max_length=16)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "number"], name="vault_workspacekey_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("number",)

    def __str__(self) -> str:
        return f"key {self.number} under {self.root_key_id}"


class Secret(TenantModel):
    """A named value that nobody can read back. The fingerprint tells whether two versions of it are equal."""

    name = models.CharField(max_length=64)
    purpose = models.CharField(max_length=8, choices=[(purpose.value, purpose.value) for purpose in Purpose])
    fingerprint = models.CharField(max_length=12, blank=True)
    current_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    rotated_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "purpose", "name"], name="vault_secret_name_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("name", "purpose")

    def __str__(self) -> str:
        return self.name


class SecretVersion(TenantModel):
    """One value, sealed by a key of its own, which is wrapped by the workspace's. Only the current version is kept."""

    secret = models.ForeignKey(Secret, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    workspace_key = models.ForeignKey(WorkspaceKey, on_delete=models.RESTRICT, related_name="+")
    wrapped_key = models.BinaryField()
    sealed = models.BinaryField()
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["secret", "number"], name="vault_secretversion_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("secret", "number", "sealed", "set_at")

    def __str__(self) -> str:
        return f"version {self.number}"
