"""What processes tell of themselves, and what operators were called for.

Belongs to the installation, to no workspace, and holds nothing of one.
"""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import uuid7


class ProcessKind(models.TextChoices):
    WORKER = "worker"
    SCHEDULER = "scheduler"


class ProcessReport(models.Model):
    """A process that works in the background, as it reported itself last. It removes its row when it ends in order."""

    name = models.CharField(max_length=200, primary_key=True)
    kind = models.CharField(max_length=12, choices=ProcessKind.choices)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    warm_boxes = models.PositiveIntegerField(default=0)
    freezes_boxes = models.BooleanField(default=True)  # one that may not keeps a single box warm

    objects: ClassVar = models.Manager()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Alert(models.Model):
    """One episode in which a rule found something. Two processes that look at once begin it once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rule = models.CharField(max_length=40)
    text = models.TextField()
    began_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    told_by = models.JSONField(default=list)  # names of the channels that took it
    told_at = models.DateTimeField(null=True)  # when all of them had
    tries = models.PositiveSmallIntegerField(default=0)
    try_after = models.DateTimeField(null=True)

    objects: ClassVar = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule"], name="monitoring_alert_open_once", condition=models.Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"
