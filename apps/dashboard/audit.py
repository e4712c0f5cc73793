"""Audit: who did what, newest first, and on demand whether the chain still fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import NoReverseMatch, path, reverse

from apps.audit.models import AuditRecord, AuditSeal
from apps.audit.services import first_broken_seal
from apps.dashboard.access import PageRequest, page
from apps.dashboard.filters import search_text
from apps.dashboard.paging import Page, paginate
from apps.dashboard.respond import show
from apps.functions.models import Function
from apps.store.models import Document
from apps.workspaces.roles import Permission

# Where the page of a subject lies, by the name of its model. What is not here has no page of its own.
PAGES = {
    "run": ("run-detail", "run_id"),
    "bulkaction": ("runs-bulk-detail", "bulk_id"),
    "task": ("task-detail", "task_id"),
    "function": ("function-detail", "function_id"),
    "packageset": ("package-detail", "package_set_id"),
    "approvalrequest": ("approval-detail", "request_id"),
    "document": ("store-document", "document_id"),
    "languagemodel": ("model-detail", "model_id"),
}

CAN_BE_DELETED: dict[str, type[Function | Document]] = {"function": Function, "document": Document}


@dataclass(frozen=True)
class Entry:
    """A record as the list shows it. The name is kept though the account may be gone."""

    at: datetime
    actor_name: str
    by_token: bool
    action: str
    subject_text: str
    subject_url: str
    details: dict[str, Any]


@dataclass(frozen=True)
class Chain:
    """What a look at every seal of the workspace has shown."""

    is_intact: bool
    count: int
    first_broken: int | None


@page(Permission.VIEW)
def audit_list(request: PageRequest) -> HttpResponse:
    query = search_text(request)
    rows = AuditRecord.objects.filter(action__icontains=query) if query else AuditRecord.objects.all()
    found = paginate(request, rows)
    gone = _gone(found.rows)
    entries = [_entry(request.workspace.slug, row, is_gone=row.subject_id in gone) for row in found.rows]
    context = {
        "page": Page(entries, found.previous_url, found.next_url),
        "query": query,
        "chain": _check_chain() if "check" in request.GET else None,
    }
    return show(request, "audit/list.html", context, part="results")


def _gone(rows: Sequence[AuditRecord]) -> set[str]:
    """Subjects that were deleted since. One query for each kind among the rows that people can delete."""
    gone: set[str] = set()
    for kind, model in CAN_BE_DELETED.items():
        named = {row.subject_id for row in rows if row.subject_kind == kind and _is_id(row.subject_id)}
        if named:
            gone |= named - {str(key) for key in model.objects.filter(pk__in=named).values_list("pk", flat=True)}
    return gone


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _entry(slug: str, row: AuditRecord, *, is_gone: bool) -> Entry:
    url = "" if is_gone else _subject_url(slug, row)
    return Entry(row.at, row.actor_name, row.by_token, row.action, row.subject_name, url, row.details)


def _subject_url(slug: str, row: AuditRecord) -> str:
    """Empty for subjects without a page."""
    if row.subject_kind not in PAGES:
        return ""
    name, key = PAGES[row.subject_kind]
    try:
        return reverse(name, kwargs={"slug": slug, key: row.subject_id})
    except NoReverseMatch:
        return ""


def _check_chain() -> Chain:
    broken = first_broken_seal()
    return Chain(broken is None, AuditSeal.objects.count(), broken.number if broken else None)


urlpatterns = [path("audit/", audit_list, name="audit-list")]
