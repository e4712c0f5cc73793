"""Documents by collection and key, their former values, and what runs have written that have not ended yet."""

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models.functions import Cast, Left, Now

from apps.core.tenancy import TenantManager, TenantModel, TenantQuerySet

BYTEWISE = "C"  # the collation in which Python compares too: pages of stored and of pending documents are merged there
PREVIEW_CHARACTERS = 91  # a page shows 90, and that there is more


class Collection(TenantModel):
    """Documents of one kind. Made with its first document; shown while it has any."""

    name = models.CharField(max_length=100, db_collation=BYTEWISE)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="store_collection_once")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("name",)

    def __str__(self) -> str:
        return self.name


class DocumentQuerySet(TenantQuerySet["Document"]):
    def for_page(self) -> "DocumentQuerySet":
        """With what is shown of where a document lies and who wrote it."""
        return self.select_related("collection", "member__user", "run__function").defer(
            "run__arguments", "run__result", "run__closure", "run__limits", "run__used", "run__error"
        )

    def for_list(self) -> "DocumentQuerySet":
        """With the beginning of each value as `preview`; the values themselves stay in the database."""
        preview = Left(Cast("value", models.TextField()), PREVIEW_CHARACTERS)
        return self.for_page().defer("value").annotate(preview=preview)


class Document(TenantModel):
    """A JSON value under a key. `revision` is another with each write; `version` counts them, for people.

    Written by a run (`run` is the root of its tree) or by a person.
    """

    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="documents", db_index=False)
    key = models.CharField(max_length=200, db_collation=BYTEWISE)
    value = models.JSONField()
    size = models.PositiveIntegerField()  # bytes of the value as JSON
    version = models.PositiveIntegerField()
    revision = models.UUIDField()
    run = models.ForeignKey("runs.Run", on_delete=models.SET_NULL, null=True, related_name="+")
    member = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects: ClassVar = TenantManager.from_queryset(DocumentQuerySet)()  # type: ignore[assignment]  # narrower than its base

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "key"], name="store_document_once")]
        indexes = [models.Index(fields=["collection", "updated_at", "key"], name="store_document_newest")]

    class Tenancy(TenantModel.Tenancy):
        immutable = ("collection", "key", "created_at")

    def __str__(self) -> str:
        return f"{self.collection}/{self.key}"


class DocumentVersion(TenantModel):
    """A value that a document had before. Only the last few are kept."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    value = models.JSONField()
    size = models.PositiveIntegerField()
    run = models.ForeignKey("runs.Run", on_delete=models.SET_NULL, null=True, related_name="+")
    member = models.ForeignKey("workspaces.Membership", on_delete=models.SET_NULL, null=True, related_name="+")
    written_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="store_documentversion_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.document_id} version {self.number}"


class PendingWrite(TenantModel):
    """What a run has written and nobody outside of its tree sees: kept with the success of the tree's root, or never.

    Its id becomes the document's revision. `number` counts through the writes of a tree. With `is_checked` it holds only
    if the document's revision before it is `based_on` (None: there must be no document).
    """

    root = models.ForeignKey("runs.Run", on_delete=models.CASCADE, related_name="+", db_index=False)
    root_attempt = models.PositiveIntegerField()
    run = models.ForeignKey("runs.Run", on_delete=models.CASCADE, related_name="+")
    attempt = models.PositiveIntegerField()
    number = models.PositiveIntegerField()
    collection = models.CharField(max_length=100, db_collation=BYTEWISE)
    key = models.CharField(max_length=200, db_collation=BYTEWISE)
    is_deletion = models.BooleanField(default=False)
    value = models.JSONField(null=True)
    size = models.PositiveIntegerField(default=0)
    is_checked = models.BooleanField()
    based_on = models.UUIDField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["root", "number"], name="store_pendingwrite_once")]

    class Tenancy(TenantModel.Tenancy):
        append_only = True

    def __str__(self) -> str:
        return f"{self.collection}/{self.key} by {self.run_id}"

    @property
    def revision(self) -> UUID:
        return self.pk
