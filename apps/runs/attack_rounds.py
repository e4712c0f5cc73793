"""Rounds of hostile programs that the operator had fired, and each shot's end. They belong to no workspace."""

from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.core.ids import uuid7
from apps.core.leases import LeasedRow


class RoundState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_ROUNDS = (RoundState.QUEUED, RoundState.RUNNING)


class AttackRound(LeasedRow):
    """One firing of the catalogue, or of the one program that `only` names. At most one is open."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    only = models.CharField(max_length=100, blank=True, default="")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    programs = models.PositiveIntegerField()
    message = models.TextField(blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(state__in=[state.value for state in OPEN_ROUNDS]),
                name="runs_one_open_attack_round",
            )
        ]


class AttackShot(models.Model):
    """How one program ended, beside what was expected of it on that day. Written once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    round = models.ForeignKey(AttackRound, on_delete=models.CASCADE, related_name="shots")
    program = models.CharField(max_length=100)
    expected = models.TextField()
    end = models.CharField(max_length=12)
    message = models.TextField()
    held = models.BooleanField()
    verdict = models.TextField(blank=True)
    seconds = models.FloatField()
    next_run_seconds = models.FloatField()
    control = models.CharField(max_length=10)
    control_text = models.TextField(blank=True)
    kernel = models.CharField(max_length=300)
    fired_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("round", "program"), name="runs_one_shot_per_program_and_round")]
        indexes: ClassVar = [models.Index("program", models.F("id").desc(), name="runs_attackshot_newest")]
