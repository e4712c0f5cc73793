"""A task and the turns that a model took on it."""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models.functions import Coalesce, Now

from apps.core.fields import StateField
from apps.core.leases import Leased
from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet


class TaskState(StrEnum):
    QUEUED = "queued"
    WORKING = "working"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OVER_BUDGET = "over_budget"


OPEN = (TaskState.QUEUED, TaskState.WORKING, TaskState.WAITING)
TERMINAL = (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.OVER_BUDGET)


class WaitsFor(StrEnum):
    """What ends a wait: a run's end, a decision about packages or about hosts and secrets, a person's answer, a person who
    plays the model."""

    NOTHING = ""
    RUN = "run"
    PACKAGES = "packages"
    GRANT = "grant"
    ANSWER = "answer"
    TURN = "turn"
    MODEL = "model"


class TaskQuerySet(TenantQuerySet["Task"]):
    def for_list(self) -> "TaskQuerySet":
        return self.select_related("started_by__user", "model").order_by("-id")

    def in_fair_order(self) -> "TaskQuerySet":
        """The workspace with the fewest tasks at work first, since each holds a worker while its model thinks; then by age."""
        beside = Task.objects.filter(workspace=models.OuterRef("workspace"), state=TaskState.WORKING).order_by()
        number = beside.values("workspace").annotate(number=models.Count("pk")).values("number")
        ahead = Coalesce(models.Subquery(number, output_field=models.IntegerField()), 0)
        return self.annotate(working_beside=ahead).order_by("working_beside", "id")


class Task(Leased):
    """What an agent is asked to do, and how far it may go: turns, tokens, dollars, hours."""

    title = models.CharField(max_length=200)
    prompt = models.TextField()
    opening = models.JSONField(editable=False)
    model = models.ForeignKey("llm.LanguageModel", on_delete=models.PROTECT, related_name="tasks")
    started_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    waits_for = models.CharField(max_length=10, choices=[(w.value, w.value) for w in WaitsFor], blank=True, default="")
    summary = models.TextField(blank=True, default="")
    failure = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    max_steps = models.PositiveIntegerField(default=40)
    max_runs = models.PositiveIntegerField(default=12)
    max_tokens = models.PositiveIntegerField(default=400_000)
    max_cost_usd = models.DecimalField(max_digits=10, decimal_places=4, default=Decimal("5"))
    max_age = models.DurationField(default=timedelta(days=7))
    tokens_used = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    cost_is_known = models.BooleanField(default=True)

    objects: ClassVar = TenantManager.from_queryset(TaskQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "-id"], name="agents_task_newest"),
            models.Index(
                fields=["state", "id"], name="agents_task_open", condition=~models.Q(state__in=[s.value for s in TERMINAL])
            ),
        ]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("prompt", "opening", "created_at")
        terminal = ("state", tuple(state.value for state in TERMINAL))

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.state not in TERMINAL

    @property
    def short_id(self) -> str:
        return str(self.pk)[-8:]


class StepState(StrEnum):
    THINKING = "thinking"
    DECIDED = "decided"
    WAITING = "waiting"
    DONE = "done"


class Step(TenantModel):
    """One turn: the model's reply, the one tool that it called, and what came of it.

    `model_calls` above 1 says that a call was repeated because its worker vanished or the provider failed.
    """

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField()
    state = StateField(max_length=10, default=StepState.THINKING)
    model_calls = models.PositiveSmallIntegerField(default=0)
    text = models.TextField(blank=True, default="")
    reply = models.JSONField(null=True)
    tool = models.CharField(max_length=60, blank=True, default="")
    arguments = models.JSONField(default=dict)
    observation = models.JSONField(null=True)
    problem = models.TextField(blank=True, default="")
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    run = models.ForeignKey("runs.Run", on_delete=models.PROTECT, null=True, related_name="steps")
    version = models.ForeignKey("functions.FunctionVersion", on_delete=models.PROTECT, null=True, related_name="steps")
    package_set = models.ForeignKey("packages.PackageSet", on_delete=models.PROTECT, null=True, related_name="steps")
    capabilities = models.ForeignKey("functions.CapabilityRequest", on_delete=models.PROTECT, null=True, related_name="steps")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "number"], name="agents_step_once")]

    class Tenancy(TenantModel.Tenancy):
        terminal = ("state", (StepState.DONE.value,))

    def __str__(self) -> str:
        return f"{self.task_id} step {self.number}"


class TaskFile(TenantModel):
    """A stored file that a task works on; every run of its tools finds it in `inputs/`."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="files")
    artifact = models.ForeignKey("runs.Artifact", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "artifact"], name="agents_taskfile_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.task_id} {self.artifact_id}"
