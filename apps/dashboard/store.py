"""The state store: collections, their documents, one document with who wrote it, and writing by hand."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.core.json_values import read_json
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.filters import search_text
from apps.dashboard.forms.store import ChangeForm, DeleteForm, DocumentForm
from apps.dashboard.paging import ROWS, CountOf
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.dashboard.wording import as_json
from apps.store.models import Document
from apps.store.pending import Seen
from apps.store.queries import ORDERS, Page, page_by_name, read_query
from apps.store.services import (
    delete_document,
    get_collection,
    get_document,
    list_collections,
    list_documents,
    write_document,
)
from apps.workspaces.roles import Permission

MANY = 1000  # documents of a collection, from which on nobody needs to know how many exactly
SHOWN_CHARACTERS = 20_000  # of a value on its page; the form and the API have all of it
SHOWN_FORMER = 2_000  # of each value that it had before
ORDER_WORDS = {"key": "Key", "-key": "Key, last first", "-updated_at": "Changed last", "updated_at": "Changed first"}
EXAMPLE = '''\
def count_visit(page: str) -> int:
    """Count how often a page was seen, from run to run."""
    visits = func.store.get("visits", page, 0) + 1
    func.store.put("visits", page, visits)
    return visits
'''


@page(Permission.VIEW)
def store_list(request: PageRequest) -> HttpResponse:
    inside = Document.objects.filter(collection=OuterRef("pk"))
    rows = list_collections(actor=request.membership).annotate(
        documents_count=CountOf(inside.values("pk")[:MANY]),
        changed_at=Subquery(inside.order_by("-updated_at").values("updated_at")[:1]),
    )
    found: Page[Any] = page_by_name(rows, after=_after(request), limit=ROWS)
    context = {"collections": found.rows, "pages": _pages(request, found), "many": MANY, "example": EXAMPLE}
    return show(request, "store/list.html", context, part="results")


@page(Permission.VIEW)
def store_collection(request: PageRequest, collection_id: UUID) -> HttpResponse:
    """A filter that makes no sense is told above an empty list."""
    collection = get_collection(actor=request.membership, collection_id=collection_id)
    query, where, order = search_text(request), _text(request, "where").strip(), request.GET.get("order", "key")
    order = order if order in ORDERS else "key"

    def look() -> Page[Document]:
        condition = read_json(where) if where else None
        asked = read_query(where=condition, prefix=query, order=order, after=_after(request), limit=ROWS)
        return list_documents(actor=request.membership, collection=collection, query=asked)

    outcome = attempt(request, look)
    refusal = outcome if isinstance(outcome, DomainError) else None
    found: Page[Any] = Page([], None) if isinstance(outcome, DomainError) else outcome
    context = {
        "collection": collection,
        "documents": found.rows,
        "pages": _pages(request, found),
        "query": query,
        "where": where,
        "order": order,
        "orders": ORDER_WORDS.items(),
        "refusal": refusal.message if refusal else "",
    }
    return show(request, "store/collection.html", context, part="results", status=refusal.status if refusal else 200)


@page(Permission.VIEW)
def store_document(request: PageRequest, document_id: UUID) -> HttpResponse:
    document = get_document(actor=request.membership, document_id=document_id)
    text = as_json(document.value)
    former = [
        (version, as_json(version.value)[:SHOWN_FORMER])
        for version in document.versions.select_related("member__user", "run__function").order_by("-number")
    ]
    context = {"document": document, "text": text[:SHOWN_CHARACTERS], "is_cut": len(text) > SHOWN_CHARACTERS, "former": former}
    return show(request, "store/document.html", context)


@page(Permission.DEVELOP, FORM)
def store_document_new(request: PageRequest) -> HttpResponse:
    form = DocumentForm(request.POST or None, initial={"collection": _text(request, "collection")[:100]})
    status = 200
    if request.method == "POST":
        status = UNPROCESSABLE
        if form.is_valid():
            outcome = attempt(request, lambda: write_document(actor=request.membership, seen=Seen(None), **form.cleaned_data))
            if isinstance(outcome, Document):
                return go(request, "store-document", document_id=outcome.pk, say="Saved.")
            status = refuse(form, outcome)
    return show(request, "store/form.html", {"form": form, "document": None}, status=status)


@page(Permission.DEVELOP, FORM)
def store_document_edit(request: PageRequest, document_id: UUID) -> HttpResponse:
    """Saves only what nobody has changed since the form was shown."""
    document = get_document(actor=request.membership, document_id=document_id)
    form = ChangeForm(request.POST or None, initial={"value": as_json(document.value), "seen": document.revision})
    status = 200
    if request.method == "POST":
        status = UNPROCESSABLE
        if form.is_valid():
            outcome = attempt(
                request,
                lambda: write_document(
                    actor=request.membership,
                    collection=document.collection.name,
                    key=document.key,
                    value=form.cleaned_data["value"],
                    seen=Seen(form.cleaned_data["seen"]),
                ),
            )
            if isinstance(outcome, Document):
                return go(request, "store-document", document_id=outcome.pk, say="Saved.")
            status = refuse(form, outcome)
    return show(request, "store/form.html", {"form": form, "document": document}, status=status)


@page(Permission.DEVELOP, POST)
def store_document_delete(request: PageRequest, document_id: UUID) -> HttpResponse:
    """What the page has shown, if it says so: not what somebody has written since."""
    document, form = get_document(actor=request.membership, document_id=document_id), DeleteForm(request.POST)
    shown = form.cleaned_data["seen"] if form.is_valid() else None
    delete_document(actor=request.membership, document_id=document_id, seen=Seen(shown) if shown else None)
    return go(request, "store-collection", collection_id=document.collection_id, say="Deleted.")


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\x00", "")[:10_000]


def _after(request: HttpRequest) -> str:
    return _text(request, "after")


def _pages(request: HttpRequest, found: Page[Any]) -> dict[str, str]:
    """Addresses of the first page and of the next; empty where they are not needed."""
    asked = {name: value for name, value in request.GET.items() if name != "after" and value}
    return {
        "first": f"?{urlencode(asked)}" if _after(request) else "",
        "next": f"?{urlencode({**asked, 'after': found.next})}" if found.next else "",
    }


urlpatterns = [
    path("store/", store_list, name="store-list"),
    path("store/new", store_document_new, name="store-document-new"),
    path("store/<uuid:collection_id>/", store_collection, name="store-collection"),
    path("store/documents/<uuid:document_id>/", store_document, name="store-document"),
    path("store/documents/<uuid:document_id>/edit", store_document_edit, name="store-document-edit"),
    path("store/documents/<uuid:document_id>/delete", store_document_delete, name="store-document-delete"),
]
