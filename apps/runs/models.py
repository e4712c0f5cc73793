"""Runs and what they leave behind. The database refuses to change a run that has ended."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.core.leases import Leased
from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet
from apps.functions.models import RetryClass
from apps.runs.attack_rounds import AttackRound, AttackShot
from apps.runs.bulk_actions import BulkAction
from apps.runs.states import FAILED, OPEN, TERMINAL, RunState
from sandbox import GVISOR
from sandbox.sentences import DONE

OPERATORS_MODELS = (AttackRound, AttackShot)
"""Tables of this app that belong to no workspace. Django finds them through this module."""

MODELS_ELSEWHERE = (BulkAction,)
"""Found through this module too, and a workspace's as all below."""


class RunTrigger(models.TextChoices):
    """What a run was started by. A person's rule or program acts with that person's rights, and is told apart here."""

    PERSON = "person", "Person"
    API = "api", "Program"
    TASK = "task", "Task"
    RUN = "run", "Another run"
    RULE = "rule", "Rule"
    SCHEDULE = "schedule", "Schedule"


class RunQuerySet(TenantQuerySet["Run"]):
    def for_list(self) -> "RunQuerySet":
        """With what a list shows of each run, newest first; heavy columns stay in the database."""
        return (
            self.select_related("function", "version", "asked_by__user")
            .defer("arguments", "result", "closure", "version__source", "version__input_schema")
            .order_by("-id")
        )

    def open(self) -> "RunQuerySet":
        return self.filter(state__in=OPEN)

    def without_trials(self) -> "RunQuerySet":
        """Not those that tried an example: an error that was expected is no news."""
        return self.filter(example=None)


class Run(Leased):
    """One execution of one function version, with everything that it will use frozen on it.

    `closure` lists the versions (dependencies first, the entry last) that the box gets: name, version id, digest.
    `limits` are all that apply; `used` is what the host counted of them, `limit_reached` the one that ended the run.
    """

    function = models.ForeignKey("functions.Function", on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey("functions.FunctionVersion", on_delete=models.PROTECT, related_name="runs")
    task_id = models.UUIDField(null=True, editable=False)
    asked_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    trigger = models.CharField(max_length=10, choices=RunTrigger.choices, default=RunTrigger.PERSON)
    # The run whose arguments somebody has edited, or taken as they were, for this one.
    restarted_from = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="restarts")
    # A run that another run's code started by `func.call`: by whom, in which of its attempts, beside which of its spans.
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    parent_attempt = models.PositiveIntegerField(null=True)
    parent_span = models.CharField(max_length=40, blank=True, default="")
    root = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="descendants")
    depth = models.PositiveSmallIntegerField(default=0)
    package_set = models.ForeignKey("packages.PackageSet", on_delete=models.PROTECT, null=True, related_name="runs")
    environment_digest = models.CharField(max_length=64, blank=True, default="")
    capabilities = models.ForeignKey("functions.CapabilityRequest", on_delete=models.PROTECT, null=True, related_name="runs")
    hosts = models.JSONField(default=list)
    secret_names = models.JSONField(default=list)
    arguments = models.JSONField(default=dict)
    closure = models.JSONField(default=list)
    limits = models.JSONField(default=dict)
    logging = models.JSONField(default=dict)  # see log_policy; with store_arguments false they lie sealed in SealedArguments
    retry_class = models.CharField(max_length=10, choices=RetryClass.choices, default=RetryClass.ON_LOST)
    retry = models.JSONField(default=dict)  # filled in; empty unless the class is on_error
    # Two of the four clocks; the attempt's is limits.wall_seconds and the lease's is lease_until. All are the database's.
    queue_time = models.DurationField(null=True)
    queue_deadline_at = models.DateTimeField(null=True)
    total_time = models.DurationField(null=True)
    total_deadline_at = models.DateTimeField(null=True)
    # Equal for runs that may have one answer, empty where none is kept; and whose answer it was given, if it was not executed.
    answer_key = models.CharField(max_length=64, blank=True, default="")
    answered_from = models.UUIDField(null=True, editable=False)
    # Of runs with an equal slot so many at once as the run says that waits for it; without a slot, no limit.
    slot = models.CharField(max_length=64, blank=True, default="")
    slots = models.PositiveSmallIntegerField(default=0)
    # The function that undoes it if it succeeds below a run that does not; and the Compensation for whose sake it was started.
    undone_by = models.CharField(max_length=100, blank=True, default="")
    undoes = models.UUIDField(null=True, editable=False)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    request_digest = models.CharField(max_length=64)

    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    progress = models.FloatField(null=True)
    progress_text = models.CharField(max_length=200, blank=True, default="")
    outcome = models.CharField(max_length=12, blank=True, default="")
    message = models.TextField(blank=True, default="")
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    kernel = models.CharField(max_length=300, blank=True, default="")
    seconds = models.FloatField(null=True)
    limit_reached = models.CharField(max_length=30, blank=True, default="")
    used = models.JSONField(default=dict)

    objects: ClassVar = TenantManager.from_queryset(RunQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "asked_by", "idempotency_key"], name="runs_run_idempotency"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="runs_run_newest"),
            models.Index(fields=["workspace", "function", "-id"], name="runs_run_function"),
            models.Index(fields=["workspace", "state", "-id"], name="runs_run_state"),
            models.Index(fields=["workspace", "asked_by", "-id"], name="runs_run_person"),
            models.Index(fields=["workspace", "trigger", "-id"], name="runs_run_trigger"),
            models.Index(fields=["task_id", "id"], name="runs_run_task", condition=models.Q(task_id__isnull=False)),
            models.Index(fields=["state", "id"], name="runs_run_open", condition=models.Q(state__in=[s.value for s in OPEN])),
            models.Index(fields=["workspace", "created_at", "id"], name="runs_run_line", condition=models.Q(state="queued")),
            models.Index(
                fields=["workspace", "-finished_at"],
                name="runs_run_failed",
                condition=models.Q(state__in=[s.value for s in FAILED], task_id__isnull=True),
            ),
            models.Index(fields=["workspace"], name="runs_run_running", condition=models.Q(state="running")),
            models.Index(
                fields=["workspace", "answer_key", "-id"],
                name="runs_run_answer",
                condition=~models.Q(answer_key="") & models.Q(state="succeeded"),
            ),
            models.Index(
                fields=["workspace", "slot"], name="runs_run_slot", condition=~models.Q(slot="") & models.Q(state="running")
            ),
            models.Index(fields=["queue_deadline_at"], name="runs_run_queue_clock", condition=models.Q(state="queued")),
            models.Index(fields=["total_deadline_at"], name="runs_run_total_clock", condition=models.Q(state="queued")),
        ]

    class Tenancy(TenantModel.Tenancy):
        immutable = (
            *("function", "version", "arguments", "closure", "task_id", "root", "depth", "parent", "parent_attempt"),
            *("capabilities", "hosts", "secret_names", "trigger", "answer_key", "slot", "slots", "undone_by", "undoes"),
        )
        terminal = ("state", tuple(state.value for state in TERMINAL))

    def __str__(self) -> str:
        return f"{self.function_id} {str(self.pk)[-8:]}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_trial(self) -> bool:
        """Whether it tries an example of its version. A query, unless it was read together with `example`."""
        return hasattr(self, "example")

    @property
    def short_id(self) -> str:
        """The random end of the id: the beginning is the clock and looks alike in a list."""
        return str(self.pk)[-8:]

    @property
    def success_note(self) -> str:
        """What a run that went well has to add, such as files that were not kept; empty for all others."""
        return self.message if self.state == RunState.SUCCEEDED and self.message != DONE else ""

    @property
    def ran_without_gvisor(self) -> bool:
        """The box reported another kernel: a development choice of the operator, to be shown wherever the run is."""
        return bool(self.kernel) and not self.kernel.startswith(GVISOR)

    def labels(self) -> dict[str, str]:
        """What the run's container is labelled with."""
        return {"workspace": str(self.workspace_id), "run": str(self.pk), "attempt": str(self.attempt), "token": str(self.token)}


class ExampleRun(TenantModel):
    """A run that tried an example of its version. `number` counts examples from 1."""

    version = models.ForeignKey("functions.FunctionVersion", on_delete=models.CASCADE, related_name="example_runs")
    number = models.PositiveSmallIntegerField()
    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="example")

    class Meta:
        indexes = [models.Index(fields=["version", "number", "-id"], name="runs_example_latest")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"example {self.number} of {self.version_id}"


class SealedArguments(TenantModel):
    """The arguments of a run whose function keeps none: encrypted while it is open, removed in the transaction that ends it."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="sealed_arguments")
    key = models.ForeignKey("vault.WorkspaceKey", on_delete=models.PROTECT, related_name="+")
    sealed_key = models.BinaryField()
    sealed = models.BinaryField()

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"arguments of {self.run_id}"


class Attempt(TenantModel):
    """One try at a run. A second one follows only a loss, or an error by retry class."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=200)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=12, blank=True, default="")
    message = models.TextField(blank=True, default="")
    error = models.JSONField(null=True)  # the tool's own, of an attempt that is followed by another
    sequel = models.TextField(blank=True, default="")  # why there is a next attempt, or why there is none
    next_at = models.DateTimeField(null=True)  # not before

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="runs_attempt_once")]

    def __str__(self) -> str:
        return f"{self.run_id} attempt {self.number}"


class Span(TenantModel):
    """One function called by another inside the box: told by the box, so good for looking at and nothing else."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="spans")
    attempt = models.PositiveIntegerField()
    key = models.CharField(max_length=40)
    parent_key = models.CharField(max_length=40, blank=True, default="")
    function_name = models.CharField(max_length=200)
    arguments_preview = models.TextField(blank=True, default="")
    result_preview = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")
    line = models.PositiveIntegerField(null=True)
    seconds = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "attempt", "key"], name="runs_span_once")]

    def __str__(self) -> str:
        return f"{self.function_name} {self.key}"


class Connection(TenantModel):
    """One attempt of a run's tool to reach a host, as the box's proxy saw it. Secrets are masked in what the tool wrote."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="connections")
    attempt = models.PositiveIntegerField()
    host = models.CharField(max_length=300)
    port = models.PositiveIntegerField(null=True)
    verdict = models.CharField(max_length=8)
    reason = models.TextField(blank=True, default="")
    sent = models.PositiveBigIntegerField()
    received = models.PositiveBigIntegerField()
    seconds = models.FloatField()
    ended_at = models.DateTimeField()

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.run_id} {self.host}:{self.port}"


class ModelCallKind(models.TextChoices):
    COMPLETE = "complete", "a reply"
    EMBED = "embed", "vectors"


class ModelCallState(models.TextChoices):
    ASKED = "asked"
    ANSWERED = "answered"
    FAILED = "failed"


class ModelCall(TenantModel):
    """A language model that a run's code asked. What was said is not kept.

    `tokens` is what counts against the run's budget: what was reserved, until it is known what was used. A call whose worker
    vanished stays asked, and counts in full.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="model_calls")
    attempt = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=ModelCallKind.choices)
    model_name = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=ModelCallState.choices, default=ModelCallState.ASKED)
    tokens = models.PositiveBigIntegerField()
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=8, null=True)  # None where nobody knows the price
    error = models.TextField(blank=True, default="")
    asked_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Tenancy(TenantModel.Tenancy):
        immutable = ("run", "attempt", "kind", "model_name", "asked_at")
        terminal = ("state", (ModelCallState.ANSWERED.value, ModelCallState.FAILED.value))

    def __str__(self) -> str:
        return f"{self.run_id} {self.model_name}"


class LogChunk(TenantModel):
    """Output lines of one stream, as text. `seq` counts through all attempts of the run without a gap."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log_chunks")
    attempt = models.PositiveIntegerField()
    seq = models.PositiveIntegerField()
    stream = models.CharField(max_length=6)  # stdout, stderr, log (by func.log), system (the platform)
    level = models.CharField(max_length=8, blank=True, default="")  # of the stream log only
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="runs_logchunk_seq")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.run_id} {self.seq}"

    def as_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "attempt": self.attempt,
            "stream": self.stream,
            "level": self.level,
            "at": self.at.isoformat(),
            "text": self.text,
        }


class Compensation(TenantModel):
    """That what a run has done outside shall be undone, since the root of its tree did not succeed. Once for each run."""

    root = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="compensations")
    of = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="compensation")
    number = models.PositiveIntegerField()  # the order in which they are undone
    state = models.CharField(max_length=10, default="waiting")  # waiting, running, done, failed
    reason = models.TextField(blank=True, default="")  # why it could not be undone
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")  # that undoes it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["root", "number"], name="runs_compensation_number_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("root", "of", "number")

    def __str__(self) -> str:
        return f"{self.of_id} {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")


class StreamedItem(TenantModel):
    """One item that a run's generator has given. The result is the list of them all; these are there while it goes on."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="items")
    attempt = models.PositiveIntegerField()
    number = models.PositiveIntegerField()  # from 1
    value = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "attempt", "number"], name="runs_streameditem_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.run_id} item {self.number}"


class Artifact(TenantModel):
    """A file: made by a run, or uploaded by a person (`run` is None) as input. The content is a blob."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, null=True, related_name="artifacts")
    task_id = models.UUIDField(null=True)
    uploaded_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["workspace", "task_id"], name="runs_artifact_task")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("sha256", "size", "name", "run")

    def __str__(self) -> str:
        return self.name

    @property
    def is_image(self) -> bool:
        return self.media_type in ("image/png", "image/jpeg", "image/gif", "image/webp")

    @property
    def is_text(self) -> bool:
        return self.media_type.startswith("text/") or self.media_type in ("application/json", "application/xml")


class PutAway(TenantModel):
    """A suggestion about a version that somebody does not want to see again."""

    version = models.ForeignKey("functions.FunctionVersion", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "kind"], name="runs_put_away_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.kind} of {self.version_id}"


class RunInput(TenantModel):
    """A stored file that a run finds in its `inputs/` folder."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="inputs")
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "artifact"], name="runs_runinput_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.run_id} {self.artifact_id}"
