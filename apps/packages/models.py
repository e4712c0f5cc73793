"""A set of packages that a workspace asked for: what was asked, what it resolves to, what people decided, what was built."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.leases import Leased
from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet
from apps.packages.states import CURRENT, GRANTED, TERMINAL, PackageState


class PackageSetQuerySet(TenantQuerySet["PackageSet"]):
    def ready(self) -> "PackageSetQuerySet":
        """Those that a run can mount."""
        return self.filter(state=PackageState.READY)

    def granted(self) -> "PackageSetQuerySet":
        """Those that people approved, built or not."""
        return self.filter(state__in=GRANTED)

    def current(self) -> "PackageSetQuerySet":
        """Those that have not ended."""
        return self.filter(state__in=CURRENT)

    def for_list(self) -> "PackageSetQuerySet":
        """With what a list shows of each, newest first; heavy columns stay in the database."""
        return self.select_related("asked_by__user", "request").defer("evidence", "lock", "lock_text").order_by("-id")


class PackageSet(Leased):
    """One normalised list of wishes in one workspace, and its way to an environment.

    The environment on disk is shared by all workspaces, since it holds only what the index offers to anybody; the
    permission to use it is this row, and belongs to the workspace.
    """

    requirements = models.JSONField()  # normalised lines, sorted
    requirements_digest = models.CharField(max_length=64)
    reason = models.TextField()
    asked_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    prompted_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    author_ids = models.JSONField(
        default=list
    )  # accounts with a hand in it besides the asker's: they have no vote, members or not
    task_id = models.UUIDField(null=True, editable=False)

    lock = models.JSONField(null=True)  # see locks.Lock.as_json
    lock_text = models.TextField(blank=True, default="")
    lock_digest = models.CharField(max_length=64, blank=True, default="")
    evidence = models.JSONField(null=True)  # see evidence.gather_evidence
    evidence_digest = models.CharField(max_length=64, blank=True, default="")
    request = models.OneToOneField("approvals.ApprovalRequest", on_delete=models.PROTECT, null=True, related_name="package_set")
    environment_digest = models.CharField(max_length=64, blank=True, default="")  # of the built files; empty until ready
    released_at = models.DateTimeField(null=True)  # an admin needs the files no longer; a later use takes that back
    failure_code = models.CharField(max_length=60, blank=True, default="")
    failure = models.TextField(blank=True, default="")  # why it failed or was refused, in the user's words

    created_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)

    objects: ClassVar = TenantManager.from_queryset(PackageSetQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "requirements_digest"],
                condition=Q(state__in=[state.value for state in CURRENT]),
                name="packages_packageset_once",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="packages_set_newest"),
            models.Index(
                fields=["state", "id"],
                name="packages_set_open",
                condition=Q(state__in=["queued", "resolving", "approved", "building"]),
            ),
        ]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("requirements", "requirements_digest", "reason", "author_ids", "task_id")
        terminal = ("state", tuple(state.value for state in TERMINAL))

    def __str__(self) -> str:
        return ", ".join(self.requirements)

    @property
    def is_ready(self) -> bool:
        return self.state == PackageState.READY

    @property
    def is_current(self) -> bool:
        return self.state in CURRENT

    @property
    def pins(self) -> list[str]:
        """What it resolves to, as name==version, sorted."""
        distributions: list[dict[str, Any]] = (self.lock or {}).get("distributions", [])
        return [f"{each['name']}=={each['version']}" for each in distributions]

    def labels(self) -> dict[str, str]:
        """For the box that builds it: what a sweeper needs to know whether its worker still lives."""
        return {"workspace": str(self.workspace_id), "package_set": str(self.pk), "token": str(self.token)}


class EnvironmentCopy(models.Model):
    """An environment on one host's disk. Of no workspace: it holds public files, and a workspace sees its own sets only."""

    host = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    files = models.PositiveIntegerField()
    bytes = models.PositiveBigIntegerField()
    built_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "digest"], name="packages_environmentcopy_once")]

    def __str__(self) -> str:
        return f"{self.digest[:12]} on {self.host}"
