"""A pack, its releases in this workspace, and what came of each."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.fields import StateField
from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet
from apps.packs.states import TERMINAL, ReleaseState


class PackQuerySet(TenantQuerySet["Pack"]):
    def search(self, text: str) -> "PackQuerySet":
        """Those with every word of the text in their name, or in what their current release says of itself."""
        found = self
        for word in text.split():
            current = Q(releases__state__in=[ReleaseState.INSTALLED, ReleaseState.AWAITING_APPROVAL])
            found = found.filter(Q(name__icontains=word) | Q(current, releases__description__icontains=word)).distinct()
        return found

    def for_list(self) -> "PackQuerySet":
        """Newest first, with their releases, newest first; what these bring stays in the database."""
        releases = Release.objects.select_related("asked_by__user").defer("brings").order_by("-number")
        return self.prefetch_related(models.Prefetch("releases", queryset=releases)).order_by("-id")


class Pack(TenantModel):
    """A bundle by its name. What it holds is of its releases."""

    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar = TenantManager.from_queryset(PackQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="packs_pack_name_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("name", "created_at")

    def __str__(self) -> str:
        return self.name

    @property
    def newest(self) -> "Release":
        """The last that somebody brought, whatever became of it. Every pack has one."""
        return max(self.releases.all(), key=lambda release: release.number)

    @property
    def installed(self) -> "Release | None":
        return next((each for each in self.releases.all() if each.state == ReleaseState.INSTALLED), None)


class Release(TenantModel):
    """One state of a pack that somebody brought here: what it says of itself, and all that it brings, frozen."""

    pack = models.ForeignKey(Pack, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    version = models.CharField(max_length=50, blank=True, default="")
    description = models.TextField(blank=True, default="")
    author = models.CharField(max_length=200, blank=True, default="")
    license = models.CharField(max_length=200, blank=True, default="")
    requires = models.JSONField(default=list)
    source_digest = models.CharField(max_length=64)  # of the files, as they came
    brings = models.JSONField()  # see plan.Plan.frozen
    state = StateField(max_length=20)
    request = models.OneToOneField("approvals.ApprovalRequest", on_delete=models.PROTECT, null=True, related_name="pack_release")
    reason = models.TextField(blank=True, default="")  # why it was refused
    asked_by = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    by_token = models.BooleanField(default=False)
    asked_at = models.DateTimeField(db_default=Now())
    installed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pack", "number"], name="packs_release_number_once"),
            models.UniqueConstraint(fields=["pack"], condition=Q(state="installed"), name="packs_release_installed_once"),
            models.UniqueConstraint(fields=["pack"], condition=Q(state="awaiting_approval"), name="packs_release_asked_once"),
        ]

    class Tenancy(TenantModel.Tenancy):
        immutable = (
            "pack", "number", "version", "description", "author", "license", "requires", "source_digest", "brings", "by_token",
            "asked_at",
        )  # fmt: skip
        terminal = ("state", tuple(state.value for state in TERMINAL))

    def __str__(self) -> str:
        return f"{self.pack} {self.version}".strip()

    @property
    def functions(self) -> list[dict[str, Any]]:
        """What it brings, as the plan said it."""
        found: list[dict[str, Any]] = self.brings["functions"]
        return found


class BroughtFunction(TenantModel):
    """A function version that is of a release. `is_own`: the pack made the function, so removing the pack takes it away."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="brought_functions")
    version = models.ForeignKey("functions.FunctionVersion", on_delete=models.CASCADE, related_name="brought_by")
    is_own = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "version"], name="packs_function_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.release_id} {self.version_id}"


class BroughtRule(TenantModel):
    """A rule that a release made."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="brought_rules")
    rule = models.ForeignKey("triggers.Rule", on_delete=models.CASCADE, related_name="brought_by")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "rule"], name="packs_rule_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.release_id} {self.rule_id}"
