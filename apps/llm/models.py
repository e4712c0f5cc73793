"""The models of a workspace: which there are, how each is reached, and whether it last answered."""

from django.db import models
from django.db.models.functions import Now

from apps.core.leases import Leased
from apps.core.tenancy import TenantModel


class Kind(models.TextChoices):
    """Names of apps.llm.adapters.ADAPTERS."""

    LITELLM = "litellm", "language model"
    SCRIPTED = "scripted", "prepared replies"
    PERSON = "person", "a person"


class ConnectionState(models.TextChoices):
    UNTESTED = "untested"
    QUEUED = "queued"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"


class LanguageModel(Leased):
    """One model that agents may think with.

    The leased work on a row is the test of its connection, and `state` how that went. A removed model stays as a row,
    because tasks tell by which model they were done.
    """

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    model = models.CharField(max_length=200, blank=True, default="")  # as litellm names it; for scripted, one script or all
    base_url = models.CharField(max_length=500, blank=True, default="")
    secret = models.ForeignKey("vault.Secret", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    test_message = models.TextField(blank=True, default="")
    test_seconds = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=models.Q(removed_at=None), name="llm_languagemodel_name"
            ),
            models.UniqueConstraint(fields=["workspace"], condition=models.Q(is_default=True), name="llm_languagemodel_default"),
            models.CheckConstraint(
                condition=models.Q(is_default=False) | models.Q(removed_at=None), name="llm_languagemodel_default_usable"
            ),
        ]

    class Tenancy(TenantModel.Tenancy):
        # A key must never be sent elsewhere than where it was given for: another address is another model.
        immutable = ("kind", "model", "base_url", "created_at")

    def __str__(self) -> str:
        return self.name

    @property
    def test_state(self) -> str:
        return self.state
