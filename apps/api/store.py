"""The state store: what functions remember, for programs to read and to write."""

from typing import Any
from uuid import UUID

from ninja import HeaderEx, P, Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL
from apps.api.schemas import CollectionOut, CursorPage, DocumentIn, DocumentOut
from apps.core.errors import Invalid
from apps.core.json_values import read_json
from apps.store.models import Collection
from apps.store.pending import Seen
from apps.store.queries import Page, page_by_name, read_query
from apps.store.services import delete_document, find_document, find_documents, list_collections, write_document

router = Router()
IF_MATCH = P(alias="If-Match", description="the revision that was read, in quotes")
IF_NONE_MATCH = P(alias="If-None-Match", description="* to make a document and replace none")


class BadPrecondition(Invalid):
    code = "bad_precondition"


@router.get("", response=CursorPage[CollectionOut], summary="Collections that have documents, by name")
@in_scope
def list_all(request: ApiRequest, after: str = "", limit: int = USUAL) -> object:
    page: Page[Collection] = page_by_name(list_collections(actor=request.membership), after=after, limit=limit)
    return {"items": [CollectionOut.of(row) for row in page.rows], "next": page.next}


@router.get("/{collection}", response=CursorPage[DocumentOut], summary="Documents of a collection that fulfil a filter")
@in_scope
def list_documents(
    request: ApiRequest,
    collection: str,
    where: str = "",
    prefix: str = "",
    order: str = "key",
    after: str = "",
    limit: int = USUAL,
) -> object:
    query = read_query(where=read_json(where) if where else None, prefix=prefix, order=order, after=after, limit=limit)
    page = find_documents(actor=request.membership, collection=collection, query=query)
    return {"items": [DocumentOut.of(row) for row in page.rows], "next": page.next}


@router.get("/{collection}/{path:key}", response=DocumentOut, summary="One document")
@in_scope
def show(request: ApiRequest, collection: str, key: str) -> DocumentOut:
    return DocumentOut.of(find_document(actor=request.membership, collection=collection, key=key))


@router.put("/{collection}/{path:key}", response=DocumentOut, summary="Write a document")
@in_scope
def write(
    request: ApiRequest,
    collection: str,
    key: str,
    body: DocumentIn,
    if_match: HeaderEx[str | None, IF_MATCH] = None,
    if_none_match: HeaderEx[str | None, IF_NONE_MATCH] = None,
) -> DocumentOut:
    seen = _seen(if_match, if_none_match)
    return DocumentOut.of(write_document(actor=request.membership, collection=collection, key=key, value=body.value, seen=seen))


@router.delete("/{collection}/{path:key}", response={204: None}, summary="Delete a document with its former values")
@in_scope
def delete(request: ApiRequest, collection: str, key: str, if_match: HeaderEx[str | None, IF_MATCH] = None) -> Status[Any]:
    document = find_document(actor=request.membership, collection=collection, key=key)
    delete_document(actor=request.membership, document_id=document.pk, seen=_seen(if_match, None))
    return Status(204, None)


def _seen(if_match: str | None, if_none_match: str | None) -> Seen | None:
    """What the caller says that it has read of the document."""
    if if_none_match is not None:
        if if_none_match.strip() != "*" or if_match is not None:
            raise BadPrecondition("If-None-Match can be * here, without If-Match.")
        return Seen(None)
    if if_match is None:
        return None
    try:
        return Seen(UUID(if_match.strip().strip('"')))
    except ValueError:
        raise BadPrecondition("If-Match is the revision that came with the document, in quotes.") from None
