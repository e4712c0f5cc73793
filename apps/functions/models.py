"""A function and its immutable versions. Fields, constraints and facts about one row; what may be done is in services."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.canonical import digest_of
from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet
from apps.functions.reader.hints import MODELS
from apps.functions.reader.literals import cleaned


class Origin(models.TextChoices):
    """Who wrote a version: a person at a page, a program with a member's token, a model, or a pack."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105  the word for it, no secret
    AGENT = "agent"
    PACK = "pack"


class RetryClass(models.TextChoices):
    """When a run may be tried again: never, after it was lost with its worker or box, or also after an error."""

    NEVER = "never"
    ON_LOST = "on_lost"
    ON_ERROR = "on_error"


class Isolation(models.TextChoices):
    """What runs share: nothing, or a box that is kept for runs of the same workspace, code, packages and secrets."""

    RUN = "run", "A box per run"
    FUNCTION = "function", "A kept box"


_IN_LIBRARY = Q(task_id=None, archived_at=None)


class FunctionQuerySet(TenantQuerySet["Function"]):
    """Functions of the scope's workspace."""

    def library(self) -> Self:
        """What the whole workspace sees: not the functions that tasks made for themselves, and none that is archived."""
        return self.filter(_IN_LIBRARY)

    def archived(self) -> Self:
        """What was in the library and can be brought back."""
        return self.filter(task_id=None, archived_at__isnull=False)

    def visible_in(self, task_id: UUID | None) -> Self:
        """The library, and with a task what that task made for itself."""
        return self.filter(_IN_LIBRARY | Q(task_id=task_id)) if task_id else self.library()

    def search(self, text: str) -> Self:
        """Those with every word of the text in their name, description or tags."""
        found = self
        for word in cleaned(text).split():
            found = found.filter(Q(name__icontains=word) | Q(description__icontains=word) | Q(tags__contains=[word.lower()]))
        return found

    def under(self, path: str) -> Self:
        """Those in the folder of this path and in all below it; all of them for the empty path."""
        return self.filter(Q(folder__path=path) | Q(folder__path__startswith=f"{path}/")) if path else self

    def tagged(self, tags: Iterable[str]) -> Self:
        """Those that carry all of the tags."""
        return self.filter(tags__contains=list(tags))

    def for_list(self) -> Self:
        """With what a list shows of each: active version, its package set, and who made the function."""
        return self.select_related("active_version__package_set", "created_by__user", "owner__user", "folder").order_by(
            "name", "id"
        )


class FunctionVersionQuerySet(TenantQuerySet["FunctionVersion"]):
    """Versions of functions of the scope's workspace."""

    def active(self) -> Self:
        return self.filter(active_for__isnull=False)

    def active_by_name(
        self, names: Iterable[str], *, task_id: UUID | None, pins: Mapping[str, int] | None = None
    ) -> dict[str, "FunctionVersion"]:
        """The active version behind each name, as seen from the library or from a task; unknown names are left out.

        A task's own function stands in front of the library's of the same name. What is archived is unknown. Where `pins` has
        a name, its version of that number stands for it.
        """
        wanted, pins = set(names), pins or {}
        chosen = Q(active_for__isnull=False, function__name__in=wanted - pins.keys())
        for name in wanted & pins.keys():
            chosen |= Q(function__name=name, number=pins[name])
        visible = Q(function__task_id=None, function__archived_at=None)
        if task_id:
            visible |= Q(function__task_id=task_id)
        rows = self.filter(visible).filter(chosen).select_related("function")
        by_name = sorted(rows, key=lambda version: version.function.task_id is not None)
        return {version.function.name: version for version in by_name}

    def for_history(self) -> Self:
        """Newest first, with what a history shows of each."""
        return self.select_related("function", "package_set").order_by("-number")


class FolderQuerySet(TenantQuerySet["Folder"]):
    """Folders of the scope's workspace."""

    def directly_under(self, path: str) -> Self:
        """The folders in the one of this path, or those at the top, by name."""
        above = f"{path}/" if path else ""
        return self.filter(path__startswith=above).exclude(path__regex=f"^{re.escape(above)}.*/").order_by("path")


class Folder(TenantModel):
    """A place in the library, named by its whole path such as `billing/reports`. Functions without one lie at the top."""

    path = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar = TenantManager.from_queryset(FolderQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "path"], name="functions_folder_once")]

    def __str__(self) -> str:
        return self.path


class FolderAction(models.TextChoices):
    """What a folder may keep for some. Everybody who is in the workspace sees what is in it."""

    RUN = "run", "Run what is in it"
    EDIT = "edit", "Change what is in it"


class FolderAccess(TenantModel):
    """A role or a group that may do something in a folder and below. Without any row for an action the folder above decides."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="access")
    action = models.CharField(max_length=4, choices=FolderAction.choices)
    role = models.CharField(max_length=12, blank=True, default="")
    group = models.ForeignKey("workspaces.Group", on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["folder", "action", "role", "group"], nulls_distinct=False, name="functions_folder_access_once"
            ),
            models.CheckConstraint(
                condition=Q(role="", group__isnull=False) | ~Q(role="") & Q(group=None), name="functions_folder_access_to_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} in {self.folder_id}"


class Function(TenantModel):
    """A named callable. With a `task_id` it is that task's own and invisible in the library."""

    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, default="")
    tags = models.JSONField(default=list, blank=True)
    task_id = models.UUIDField(null=True, blank=True)
    active_version = models.OneToOneField(
        "functions.FunctionVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="active_for"
    )
    created_by = models.ForeignKey("workspaces.Membership", null=True, on_delete=models.SET_NULL, related_name="+")
    owner = models.ForeignKey("workspaces.Membership", null=True, on_delete=models.SET_NULL, related_name="owned_functions")
    folder = models.ForeignKey(Folder, null=True, on_delete=models.PROTECT, related_name="functions")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    needs_examples = models.BooleanField(default=False)  # only versions whose examples were met become active
    answers_since = models.DateTimeField(null=True)  # what runs that were asked for before it gave is no answer any more
    archived_at = models.DateTimeField(null=True)  # since when it is out of lists and new runs; its versions and runs stay

    objects: ClassVar = TenantManager.from_queryset(FunctionQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=Q(task_id=None), name="functions_name_once_in_library"
            ),
            models.UniqueConstraint(
                fields=["workspace", "task_id", "name"],
                condition=Q(task_id__isnull=False),
                name="functions_name_once_in_task",
            ),
        ]
        indexes = [GinIndex(fields=["tags"], name="functions_by_tag")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("name", "task_id")

    def __str__(self) -> str:
        return self.name


class FunctionVersion(TenantModel):
    """One version of a function: everything that a run of it depends on, frozen. The digest covers all that matters."""

    function = models.ForeignKey(Function, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.TextField()
    entry = models.CharField(max_length=100)
    is_async = models.BooleanField(default=False)
    description = models.TextField(blank=True, default="")
    input_schema = models.JSONField()
    output_schema = models.JSONField()
    imports = models.JSONField(default=list)
    hints = models.JSONField(default=list)
    # What tells sources that are alike, see functions.similarity; no part of the digest.
    shape = ArrayField(models.BigIntegerField(), default=list)
    shape_bands = ArrayField(models.BigIntegerField(), default=list)
    requirements = models.JSONField(default=list)
    dependencies = models.JSONField(default=list)
    secrets = models.JSONField(default=list)
    hosts = models.JSONField(default=list)
    limits = models.JSONField(default=dict)
    retry_class = models.CharField(max_length=10, choices=RetryClass.choices)
    retry = models.JSONField(default=dict)  # how often and how far apart, where that differs from the usual
    logging = models.JSONField(default=dict)  # see functions.logging; empty for the usual
    isolation = models.CharField(max_length=10, choices=Isolation.choices, default=Isolation.RUN)
    # Whether what it imports may be imported before a run of it is asked for, in the box that waits for it.
    imports_first = models.BooleanField(default=False)
    handling = models.JSONField(default=dict)  # see functions.handling; empty for the usual
    digest = models.CharField(max_length=64)

    origin = models.CharField(max_length=10, choices=Origin.choices)
    task_id = models.UUIDField(null=True, blank=True)
    prompt = models.TextField(blank=True, default="")
    model = models.CharField(max_length=200, blank=True, default="")
    # What it was made from. RESTRICT lets a function go with all of its versions, and keeps what another function came of.
    derived_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.RESTRICT, related_name="+")
    # The account, which stays when its member leaves; only versions older than this column may have none.
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    author_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=Now())
    note = models.CharField(max_length=200, blank=True, default="")  # the author's words on what is new
    changes = models.CharField(max_length=200, blank=True, default="")  # the same by comparison with `derived_from`
    pins = models.JSONField(default=dict)  # of functions that it calls in another version than the active one: name → number
    examples = models.JSONField(default=list)  # see functions.examples; no part of the digest, since no run depends on them
    activated_at = models.DateTimeField(null=True)  # the last time that it became the active one; never: a draft

    # The packages that a run needs, dependencies included, as asked for when the version was saved.
    package_set = models.ForeignKey(
        "packages.PackageSet", null=True, blank=True, on_delete=models.PROTECT, related_name="function_versions"
    )

    objects: ClassVar = TenantManager.from_queryset(FunctionVersionQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [models.UniqueConstraint(fields=["function", "number"], name="functions_version_number_once")]
        indexes = [models.Index(fields=["function", "-id"], name="functions_version_newest")]

    class Tenancy(TenantModel.Tenancy):
        # All but package_set, which a new request replaces, and activated_at.
        immutable = (
            "function", "number", "source", "entry", "is_async", "description", "input_schema", "output_schema",
            "imports", "hints", "requirements", "dependencies", "secrets", "hosts", "limits", "retry_class", "retry",
            "logging", "isolation", "imports_first", "digest", "origin", "task_id", "prompt", "model", "derived_from",
            "author", "author_name", "created_at", "note", "changes", "pins", "examples", "handling",
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.function.name} v{self.number}"

    @property
    def is_active(self) -> bool:
        return self.function.active_version_id == self.pk

    @property
    def is_draft(self) -> bool:
        """Saved and never active so far."""
        return self.activated_at is None and not self.is_active

    @property
    def asks_models(self) -> bool:
        """Whether its source names what asks language models: read from the source, so nobody has to say it."""
        return any(hint["capability"] == MODELS for hint in self.hints)

    def content(self) -> dict[str, Any]:
        """Everything that changes what a run does or may do; in a fixed order where order means nothing.

        What came later is in it only where it is not the default: so the digests of older versions stay as they are.
        """
        return {
            "source": self.source,
            "entry": self.entry,
            "requirements": sorted(self.requirements),
            "dependencies": sorted(self.dependencies),
            "secrets": sorted(self.secrets),
            "hosts": sorted(self.hosts),
            "limits": self.limits,
            "retry_class": self.retry_class,
            **({"pins": self.pins} if self.pins else {}),
            **({"retry": self.retry} if self.retry else {}),
            **({"logging": self.logging} if self.logging else {}),
            **({} if self.isolation == Isolation.RUN else {"isolation": self.isolation}),
            **({"imports_first": True} if self.imports_first else {}),
            **({"handling": self.handling} if self.handling else {}),
        }

    def compute_digest(self) -> str:
        """SHA-256 over the canonical JSON of the content; a run compares it with `digest` when it is claimed."""
        return digest_of(self.content())


class LimitMaximum(TenantModel):
    """The most of one limit that versions of this workspace may ask for; without a row it is the table's."""

    name = models.CharField(max_length=30)
    amount = models.FloatField()
    set_by = models.ForeignKey("workspaces.Membership", null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="functions_limit_maximum_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("name",)

    def __str__(self) -> str:
        return f"{self.name} at most {self.amount:g}"


class CapabilityRequest(TenantModel):
    """A request for hosts and secrets, beside the function that would use them. What was asked stands in its subject."""

    function = models.ForeignKey(Function, on_delete=models.CASCADE, related_name="capability_requests")
    version = models.ForeignKey(FunctionVersion, on_delete=models.CASCADE, related_name="capability_requests")
    digest = models.CharField(max_length=64)
    # Of a pack, one request grants them to several functions.
    request = models.ForeignKey("approvals.ApprovalRequest", on_delete=models.RESTRICT, related_name="capabilities")

    class Meta:
        indexes = [models.Index(fields=["workspace", "digest"], name="functions_capability_digest")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.function_id} {self.digest[:12]}"

    @property
    def is_granted(self) -> bool:
        return self.request.state == "approved"
