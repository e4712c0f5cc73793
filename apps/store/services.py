"""What people and programs do with the store: look, write, delete. What code in boxes does is in requests."""

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from apps.audit.services import record
from apps.core.errors import NotFound
from apps.store.commit import Change, apply, documents_at, hold_store
from apps.store.models import Collection, Document
from apps.store.pending import ChangedMeanwhile, Seen
from apps.store.queries import Page, Query, page_of
from apps.store.values import check_collection, check_key, check_value
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

PAGE_BYTES = 4 * 1024 * 1024  # of documents in one answer


class NoSuchCollection(NotFound):
    code = "no_such_collection"


class NoSuchDocument(NotFound):
    code = "no_such_document"


def get_collection(*, actor: Membership, collection_id: UUID) -> Collection:
    """Raises: PermissionMissing, NoSuchCollection."""
    require(actor, Permission.VIEW)
    found = Collection.objects.filter(pk=collection_id).first()
    if found is None:
        raise NoSuchCollection("There is no such collection here.")
    return found


def list_collections(*, actor: Membership) -> QuerySet[Collection]:
    """Those that have documents, by name.

    Raises: PermissionMissing.
    """
    require(actor, Permission.VIEW)
    rows: QuerySet[Collection] = Collection.objects.filter(Exists(Document.objects.filter(collection=OuterRef("pk"))))
    return rows.order_by("name")


def find_documents(*, actor: Membership, collection: str, query: Query) -> Page[Document]:
    """A page of a collection, shorter when its documents are large. One that does not exist has none.

    Raises: PermissionMissing, FilterTooSlow.
    """
    require(actor, Permission.VIEW)
    return page_of([Document.objects.for_page().filter(collection__name=collection)], query, most_bytes=PAGE_BYTES)


def list_documents(*, actor: Membership, collection: Collection, query: Query) -> Page[Document]:
    """The same with a preview in the place of each value.

    Raises: PermissionMissing, FilterTooSlow.
    """
    require(actor, Permission.VIEW)
    return page_of([Document.objects.for_list().filter(collection=collection)], query)


def get_document(*, actor: Membership, document_id: UUID) -> Document:
    """Raises: PermissionMissing, NoSuchDocument."""
    return _one(actor, pk=document_id)


def find_document(*, actor: Membership, collection: str, key: str) -> Document:
    """Raises: PermissionMissing, NoSuchDocument."""
    return _one(actor, collection__name=collection, key=key)


def _one(actor: Membership, **where: Any) -> Document:
    require(actor, Permission.VIEW)
    found = Document.objects.for_page().filter(**where).first()
    if found is None:
        raise NoSuchDocument("There is no such document here.")
    return found


def write_document(*, actor: Membership, collection: str, key: str, value: Any, seen: Seen | None = None) -> Document:
    """Write a document, or make it.

    Args:
        seen: what the actor has read of it; None: it is written whatever is there.

    Raises: PermissionMissing, BadCollection, BadKey, BadDocument, DocumentTooLarge, ChangedMeanwhile.
    """
    require(actor, Permission.DEVELOP)
    place = check_collection(collection), check_key(key)
    change = Change(*place, value, check_value(value))
    hold_store()
    documents = documents_at([place])
    _check_unchanged(documents.get(place), seen)
    apply([change], documents, member=actor)
    written = find_document(actor=actor, collection=collection, key=key)
    record(actor=actor, action="document.written", subject=written, version=written.version, bytes=written.size)
    return written


def delete_document(*, actor: Membership, document_id: UUID, seen: Seen | None = None) -> None:
    """Delete a document with its former values.

    Raises: PermissionMissing, NoSuchDocument, ChangedMeanwhile.
    """
    require(actor, Permission.DEVELOP)
    hold_store()
    document = get_document(actor=actor, document_id=document_id)
    _check_unchanged(document, seen)
    record(actor=actor, action="document.deleted", subject=document, version=document.version, bytes=document.size)
    place = document.collection.name, document.key
    apply([Change(*place, is_deletion=True)], {place: document}, member=actor)


def _check_unchanged(document: Document | None, seen: Seen | None) -> None:
    if seen is not None and seen.revision != (document.revision if document else None):
        raise ChangedMeanwhile(
            "Somebody else, or a run, has changed this document since you opened it. Nothing was done: look at what it is now."
            if document and seen.revision
            else "There is a document under this key already."
            if document
            else "This document has been deleted since you opened it. Nothing was done."
        )
