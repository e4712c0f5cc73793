"""What somebody wants done with many runs at once: which, how far it has come, and what could not be."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.core.leases import Leased
from apps.core.tenancy import TenantModel


class BulkKind(models.TextChoices):
    """What is done with each run."""

    CANCEL = "cancel", "Cancel"
    RERUN = "rerun", "Run again"


class BulkState(models.TextChoices):
    """Of the work. `done` says nothing about single runs: see `failures`."""

    QUEUED = "queued", "Queued"
    WORKING = "working", "Working"
    DONE = "done", "Done"


class BulkAction(Leased):
    """One request for many runs, which are named when it is made: nothing that comes later is touched by it.

    `position` says how many of `run_ids` are dealt with; it moves in the transaction of what it tells of, so no run is dealt with
    twice. `failures` name the first of those that could not be, each as `{"run": id, "message": sentence}`.
    """

    kind = models.CharField(max_length=10, choices=BulkKind.choices)
    run_ids = ArrayField(models.UUIDField())
    filter = models.JSONField(default=dict)  # as it was in the address; empty when the runs were chosen one by one
    with_active_version = models.BooleanField(default=False)  # of runs again: else each with the version that it had
    asked_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    by_token = models.BooleanField(default=False)
    count = models.PositiveIntegerField()
    position = models.PositiveIntegerField(default=0)
    failed_count = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=list)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    request_digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "asked_by", "idempotency_key"], name="runs_bulk_idempotency"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="runs_bulk_newest"),
            models.Index(fields=["state", "id"], name="runs_bulk_open", condition=~models.Q(state="done")),
        ]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("kind", "run_ids", "filter", "with_active_version", "by_token", "count", "created_at")
        terminal = ("state", (BulkState.DONE.value,))

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.count} runs"

    @property
    def is_open(self) -> bool:
        return self.state != BulkState.DONE

    @property
    def done_count(self) -> int:
        """Runs with which it was done."""
        return self.position - self.failed_count
