"""What a run has written and not yet kept: stored beside it, seen by its tree alone, kept or dropped at the root's end."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Coalesce

from apps.core import leases
from apps.core.errors import Conflict, LimitReached
from apps.runs.models import Run
from apps.store.models import Document, PendingWrite
from apps.store.queries import Page, Query, page_of
from apps.store.tree import root_id_of, standing_attempts

TREE_WRITES = 1000
TREE_BYTES = 16 * 1024 * 1024
REPLY_BYTES = 1024 * 1024  # of documents in one answer: a box takes 4 MiB, and a letter may take three times its bytes there


class ChangedMeanwhile(Conflict):
    code = "changed_meanwhile"
    status = 412  # what HTTP calls it when If-Match does not hold


class TreeOver(Conflict):
    code = "tree_over"


class TooManyWrites(LimitReached):
    code = "too_many_writes"


@dataclass(frozen=True)
class Seen:
    """The revision of a document that whoever writes it has read; None: they have read that there is none."""

    revision: UUID | None


type Current = Document | PendingWrite | None


def revision_of(current: Current) -> UUID | None:
    return current.revision if current else None


def is_there(current: Current) -> bool:
    """Whether it is a document, and not the deletion of one."""
    return current is not None and not (isinstance(current, PendingWrite) and current.is_deletion)


def find_current(run: Run, collection: str, key: str) -> Current:
    """The document as this run sees it, or its deletion."""
    rows = PendingWrite.objects.filter(root_id=root_id_of(run), collection=collection, key=key)
    writes = list(rows.order_by("-number").values_list("run_id", "attempt", "pk"))
    standing = standing_attempts(run) if writes else set()
    for run_id, attempt, pk in writes:
        if (run_id, attempt) in standing:
            return rows.get(pk=pk)
    return Document.objects.filter(collection__name=collection, key=key).first()


def find_page(run: Run, collection: str, query: Query) -> Page[Any]:
    """A page of a collection as this run sees it.

    Raises: FilterTooSlow.
    """
    documents = Document.objects.filter(collection__name=collection)
    latest = _latest_writes(run, collection)
    if not latest:
        return page_of([documents], query, most_bytes=REPLY_BYTES)
    written = PendingWrite.objects.filter(pk__in=list(latest.values()), is_deletion=False)
    return page_of([documents.exclude(key__in=list(latest)), written], query, most_bytes=REPLY_BYTES)


def _latest_writes(run: Run, collection: str) -> dict[str, UUID]:
    """The last write of each key that this run sees."""
    rows = PendingWrite.objects.filter(root_id=root_id_of(run), collection=collection)
    writes = list(rows.order_by("number").values_list("run_id", "attempt", "key", "pk"))
    standing = standing_attempts(run) if writes else set()
    return {key: pk for run_id, attempt, key, pk in writes if (run_id, attempt) in standing}


def write(
    run: Run, *, collection: str, key: str, seen: Seen | None, value: Any = None, size: int = 0, is_deletion: bool = False
) -> PendingWrite:
    """Note a write of this attempt. It is checked at once, and again when the tree ends.

    Args:
        seen: what the run has read of the document; None if it has not: then it is written whatever is there.

    Raises: leases.LeaseLost, TreeOver, ChangedMeanwhile, TooManyWrites.
    """
    root_attempt = _hold_tree(run)
    if seen is not None and revision_of(find_current(run, collection, key)) != seen.revision:
        raise ChangedMeanwhile(f"“{collection}/{key}” was changed since this run has read it: read it again, then write it.")
    return PendingWrite.objects.create(
        root_id=root_id_of(run),
        root_attempt=root_attempt,
        run=run,
        attempt=run.attempt,
        number=_next_number(root_id_of(run), root_attempt, size),
        collection=collection,
        key=key,
        is_deletion=is_deletion,
        value=value,
        size=size,
        is_checked=seen is not None,
        based_on=seen.revision if seen else None,
    )


def _hold_tree(run: Run) -> int:
    """Writes of one tree follow each other, and none comes after its end. Gives the attempt of the root.

    From the top down, as whoever ends a tree locks it.
    """
    attempt = run.attempt
    if run.root_id:
        root = Run.objects.open().filter(pk=run.root_id).select_for_update(no_key=True, of=("self",)).only("attempt").first()
        if root is None:
            raise TreeOver("The run at the top of this one is over: nothing is kept any more.")
        attempt = root.attempt
    leases.assert_held(run)
    return attempt


def _next_number(root_id: UUID, root_attempt: int, size: int) -> int:
    """Of a further write. What earlier attempts of the root wrote counts for nothing."""
    rows = PendingWrite.objects.filter(root_id=root_id)
    this_time = Q(root_attempt=root_attempt)
    so_far = rows.aggregate(
        count=Count("pk", filter=this_time),
        bytes=Coalesce(Sum("size", filter=this_time), 0),
        last=Coalesce(Max("number"), 0),
    )
    if so_far["count"] >= TREE_WRITES:
        raise TooManyWrites(f"A run and what it calls may write to the store {TREE_WRITES} times: put more into one document.")
    if so_far["bytes"] + size > TREE_BYTES:
        raise TooManyWrites(f"A run and what it calls may write {TREE_BYTES >> 20} MiB to the store: keep large data as files.")
    return int(so_far["last"]) + 1
