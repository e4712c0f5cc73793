"""What processes tell of themselves. Belongs to the installation, to no workspace, and holds nothing of one."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


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

    objects: ClassVar = models.Manager()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
