"""Records and the hash chain that seals them. The database refuses to change either."""

from typing import Any

from django.db import models
from django.db.models.functions import Now

from apps.core.tenancy import TenantModel


class AuditRecord(TenantModel):
    """One thing that somebody did or was refused. `actor_name` is kept though the account may go."""

    at = models.DateTimeField(db_default=Now())
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=150)
    by_token = models.BooleanField(default=False)
    action = models.CharField(max_length=80)
    subject_kind = models.CharField(max_length=80, blank=True)
    subject_id = models.CharField(max_length=64, blank=True)
    subject_name = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="audit_record_newest"),
            models.Index(fields=["workspace", "action", "-id"], name="audit_record_action"),
        ]

    class Tenancy(TenantModel.Tenancy):
        permanent = True

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_name} {self.action} {self.subject_name}"

    def content(self) -> dict[str, Any]:
        """What the seal covers."""
        return {
            "id": str(self.pk),
            "at": self.at.isoformat(),
            "actor": str(self.actor_id or ""),
            "actor_name": self.actor_name,
            "by_token": self.by_token,
            "action": self.action,
            "subject": [self.subject_kind, self.subject_id, self.subject_name],
            "details": self.details,
        }


class AuditSeal(TenantModel):
    """A link of the chain: SHA-256 over the record and the link before it."""

    number = models.PositiveBigIntegerField()
    record = models.OneToOneField(AuditRecord, on_delete=models.PROTECT, related_name="seal")
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "number"], name="audit_seal_number_once")]

    class Tenancy(TenantModel.Tenancy):
        permanent = True

    def __str__(self) -> str:
        return f"{self.number} {self.digest[:12]}"
