"""What code in a box may ask of the store. Payloads are hostile: each field is checked before it is used."""

from typing import Any
from uuid import UUID

from apps.core import leases
from apps.core.errors import Forbidden, Invalid
from apps.core.tenancy import scope
from apps.runs.models import Run
from apps.runs.requests import Caller
from apps.store import pending
from apps.store.pending import ChangedMeanwhile, Seen
from apps.store.queries import read_query
from apps.store.values import check_collection, check_key, check_value


class NotOfTheLibrary(Forbidden):
    code = "not_of_the_library"


class BadRequest(Invalid):
    code = "bad_store_request"


def get_document(run: Run, payload: dict[str, Any]) -> dict[str, Any]:
    """A document as this run sees it: {is_there, value, revision}."""
    _check_run(run)
    current = pending.find_current(run, *_place(payload))
    is_there = pending.is_there(current)
    return {
        "is_there": is_there,
        "value": current.value if current and is_there else None,
        "revision": _told(pending.revision_of(current)),
    }


def query_documents(caller: Caller, payload: dict[str, Any]) -> dict[str, Any]:
    """A page of a collection as this run sees it: {documents: [{key, value, revision, updated_at}], next}.

    One at a time for each run, the others wait without a transaction: a query may take seconds of a connection, of which the
    worker has few.
    """
    collection = check_collection(payload.get("collection"))
    asked = {name: payload[name] for name in ("where", "prefix", "order", "after", "limit") if payload.get(name) is not None}
    query = read_query(**asked)
    with caller.turn, scope(caller.run.workspace_id):
        _check_run(caller.run)
        if not leases.held(caller.run).exists():
            raise leases.LeaseLost("This run is over: nothing is looked for any more.")
        page = pending.find_page(caller.run, collection, query)
    documents = [
        {"key": row.key, "value": row.value, "revision": str(row.revision), "updated_at": row.updated_at.isoformat()}
        for row in page.rows
    ]
    return {"documents": documents, "next": page.next}


def put_document(run: Run, payload: dict[str, Any]) -> dict[str, Any]:
    """Write a document: {revision}, or {conflict: why} when it is not what the run has read."""
    _check_run(run)
    collection, key = _place(payload)
    value = payload.get("value")
    size = check_value(value)
    try:
        made = pending.write(run, collection=collection, key=key, seen=_seen(payload), value=value, size=size)
    except ChangedMeanwhile as conflict:
        return {"conflict": conflict.message}
    return {"revision": str(made.pk)}


def delete_document(run: Run, payload: dict[str, Any]) -> dict[str, Any]:
    """Delete a document: {revision, was_there}, or {conflict: why}."""
    _check_run(run)
    collection, key = _place(payload)
    was_there = pending.is_there(pending.find_current(run, collection, key))
    try:
        made = pending.write(run, collection=collection, key=key, seen=_seen(payload), is_deletion=True)
    except ChangedMeanwhile as conflict:
        return {"conflict": conflict.message}
    return {"revision": str(made.pk), "was_there": was_there}


def _check_run(run: Run) -> None:
    """What an agent made for a task has been seen by nobody, and would change what all functions of the workspace rely on."""
    if run.function.task_id is not None:
        raise NotOfTheLibrary("The store is for functions of the library; this one belongs to a task. Return the data instead.")


def _place(payload: dict[str, Any]) -> tuple[str, str]:
    return check_collection(payload.get("collection")), check_key(payload.get("key"))


def _seen(payload: dict[str, Any]) -> Seen | None:
    if "seen" not in payload:
        return None
    given = payload["seen"]
    if given is None:
        return Seen(None)
    try:
        return Seen(UUID(given))
    except (ValueError, AttributeError, TypeError):
        raise BadRequest("What was seen of a document is the revision that came with it, or null.") from None


def _told(revision: UUID | None) -> str | None:
    return str(revision) if revision else None
