"""Writes documents. What a tree of runs has written is kept in the transaction in which its root succeeds, or not at all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.audit.services import record
from apps.core.ids import uuid7
from apps.core.notify import publish
from apps.core.tenancy import current_workspace_id
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.runs.transitions import CannotSucceed
from apps.store.models import Collection, Document, DocumentVersion, PendingWrite
from apps.store.tree import standing_attempts
from apps.workspaces.models import Membership

KEPT_VERSIONS = 10  # former values of a document
PORTION_BYTES = 1024 * 1024  # of documents that are in memory at a time: there JSON may take thirty times its text
FORMER_AT_ONCE = 8  # former values, each as large as a document may be
NAMED_COLLECTIONS = 20  # in an audit record
type Place = tuple[str, str]
"""A collection's name and a key."""


class StoreConflict(CannotSucceed):
    code = "store_conflict"


@dataclass(frozen=True)
class Change:
    """What becomes of one document. A run's write brings its revision, a person's gets one here."""

    collection: str
    key: str
    value: Any = None
    size: int = 0
    is_deletion: bool = False
    revision: UUID = field(default_factory=uuid7)

    @property
    def place(self) -> Place:
        return self.collection, self.key


def hold_store() -> None:
    """Whoever writes documents of a workspace waits here for whoever does, until the end of the transaction.

    One lock and not one for each document: transactions that write are short, and so none can wait in a circle.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"store {current_workspace_id()}"])


def documents_at(places: Iterable[Place]) -> dict[Place, Document]:
    """The documents that there are, without their values, by where they lie."""
    keys: dict[str, list[str]] = defaultdict(list)
    for name, key in places:
        keys[name].append(key)
    lies_there = Q(*(Q(collection__name=name, key__in=inside) for name, inside in keys.items()), _connector=Q.OR)
    rows = Document.objects.select_related("collection").defer("value").filter(lies_there) if keys else ()
    return {(row.collection.name, row.key): row for row in rows}


def settle(*, run_id: UUID, state: str, **_: Any) -> None:
    """A run has ended. If it is the root of a tree, keep what was written below it, or drop it. Nothing to do for others.

    Raises: StoreConflict, when it has succeeded and what it wrote was changed meanwhile; then it has not succeeded.
    """
    writes = PendingWrite.objects.filter(root_id=run_id)
    if state == RunState.SUCCEEDED:
        rows = list(writes.defer("value").order_by("number"))
        if not rows:
            return
        _keep(Run.objects.only("root", "attempt", "function").get(pk=run_id), rows)
    writes.delete()


def _keep(root: Run, writes: Sequence[PendingWrite]) -> None:
    standing = standing_attempts(root)
    by_place: dict[Place, list[PendingWrite]] = defaultdict(list)
    for write in writes:
        if (write.run_id, write.attempt) in standing:
            by_place[write.collection, write.key].append(write)
    if not by_place:
        return
    hold_store()
    documents = documents_at(by_place)
    for place, line in by_place.items():
        _check_line(line, documents.get(place))
    for portion in _portions([line[-1] for line in by_place.values()]):
        apply([_change(write) for write in portion], documents, run=root)
    names = sorted({name for name, _ in by_place})[:NAMED_COLLECTIONS]
    record(actor=None, action="store.kept", subject=root, documents=len(by_place), collections=names)


def _check_line(line: Sequence[PendingWrite], document: Document | None) -> None:
    """Whether each of a document's writes that has read it knew of the one before. Raises: StoreConflict."""
    revision = document.revision if document else None
    for write in line:
        if write.is_checked and write.based_on != revision:
            raise StoreConflict(
                f"Another run or a person changed “{write.collection}/{write.key}” after this run had read it, "
                "so nothing of what this run wrote to the store was kept. Run it again."
            )
        revision = write.pk


def _portions(writes: Sequence[PendingWrite]) -> Iterator[Sequence[PendingWrite]]:
    """With their values, so many at a time that these take a bounded part of the worker's memory."""
    begun = size = 0
    for number, write in enumerate(writes):
        size += write.size
        if size > PORTION_BYTES and number > begun:
            yield _with_values(writes[begun:number])
            begun, size = number, write.size
    yield _with_values(writes[begun:])


def _with_values(writes: Sequence[PendingWrite]) -> Sequence[PendingWrite]:
    return list(PendingWrite.objects.filter(pk__in=[write.pk for write in writes]))


def _change(write: PendingWrite) -> Change:
    return Change(write.collection, write.key, write.value, write.size, write.is_deletion, write.pk)


def apply(
    changes: Sequence[Change], documents: Mapping[Place, Document], *, run: Run | None = None, member: Membership | None = None
) -> None:
    """Write the changes, with `documents` as they are until then, while the store is held."""
    gone = [documents[change.place].pk for change in changes if change.is_deletion and change.place in documents]
    if gone:
        DocumentVersion.objects.filter(document__in=gone).delete()
        Document.objects.filter(pk__in=gone).only("pk").delete()
    if kept := [change for change in changes if not change.is_deletion]:
        _keep_former([documents[change.place] for change in kept if change.place in documents])
        _write(kept, documents, run, member)
    publish(current_workspace_id(), "store")


def _keep_former(documents: Sequence[Document]) -> None:
    """The values that are about to be replaced, and no more of a document than the last few."""
    for some in batched(documents, FORMER_AT_ONCE):
        DocumentVersion.objects.bulk_create(
            DocumentVersion(
                document=each,
                number=each.version,
                value=each.value,
                size=each.size,
                run_id=each.run_id,
                member_id=each.member_id,
                written_at=each.updated_at,
            )
            for each in Document.objects.filter(pk__in=[each.pk for each in some])
        )
    old = DocumentVersion.objects.filter(document__in=documents, number__lte=F("document__version") - KEPT_VERSIONS)
    old.delete()


def _write(changes: Sequence[Change], documents: Mapping[Place, Document], run: Run | None, member: Membership | None) -> None:
    collections = _collections({change.collection for change in changes})
    Document.objects.bulk_create(
        [
            Document(
                collection=collections[change.collection],
                key=change.key,
                value=change.value,
                size=change.size,
                version=documents[change.place].version + 1 if change.place in documents else 1,
                revision=change.revision,
                run=run,
                member=member,
                updated_at=Now(),
            )
            for change in changes
        ],
        update_conflicts=True,
        unique_fields=["collection", "key"],
        update_fields=["value", "size", "version", "revision", "run", "member", "updated_at"],
    )


def _collections(names: set[str]) -> dict[str, Collection]:
    known = Collection.objects.filter(name__in=names)
    found = {each.name: each for each in known}
    if missing := sorted(names - set(found)):
        Collection.objects.bulk_create([Collection(name=name) for name in missing])
        found = {each.name: each for each in known.all()}
    return found
