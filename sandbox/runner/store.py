"""`func.store`: documents that stay from run to run. What is written is kept if the run succeeds, and only then."""

import threading
from collections.abc import Iterator
from typing import Any

from .encoding import plain
from .line import Line

PAGE = 100  # documents that are fetched at a time


class StoreConflict(Exception):
    """The document was changed after this run had read it: read it again, then write it."""


class Document:
    """What a query finds. `updated_at` is the time of its last change as ISO 8601 text."""

    def __init__(self, collection: str, found: dict[str, Any]) -> None:
        self.collection = collection
        self.key: str = found["key"]
        self.value: Any = found["value"]
        self.updated_at: str = found["updated_at"]

    def __repr__(self) -> str:
        return f"Document({self.collection!r}, {self.key!r}, {self.value!r:.200})"


class Store:
    """Documents of the workspace by collection and key. Remembers which revision of each this run has read."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], str | None] = {}

    def get(self, collection: str, key: str, default: Any = None) -> Any:
        """The document's value, or `default` where there is none."""
        told = self._line.ask("store.get", {"collection": collection, "key": key})
        self._see(collection, key, told["revision"])
        return told["value"] if told["is_there"] else default

    def put(self, collection: str, key: str, value: Any) -> None:
        """Write a document. If this run has read it before, it must not have been changed since.

        Dates, decimals, sets and the like become JSON as those of a result do.

        Raises: StoreConflict; HostRefused for what cannot be kept; TypeError for what has no JSON form.
        """
        self._write("store.put", collection, key, value=plain(value, "value"))

    def delete(self, collection: str, key: str) -> bool:
        """Delete a document; False when there was none. If this run has read it before, it must not have been changed since.

        Raises: StoreConflict, HostRefused.
        """
        return bool(self._write("store.delete", collection, key)["was_there"])

    def query(
        self,
        collection: str,
        where: dict[str, Any] | None = None,
        *,
        prefix: str = "",
        order: str = "key",
        limit: int | None = None,
    ) -> Iterator[Document]:
        """Documents that fulfil a filter, by key or, with `order`, by "-key", "updated_at" or "-updated_at".

        They are fetched a page at a time while you go through them. `prefix`: only keys that begin so.
        """
        after, left = None, limit
        while left is None or left > 0:
            asked = {"where": where, "prefix": prefix, "order": order, "after": after, "limit": min(left or PAGE, PAGE)}
            told = self._line.ask("store.query", {"collection": collection, **asked})
            for found in told["documents"]:
                self._see(collection, found["key"], found["revision"])
                yield Document(collection, found)
            after, left = told["next"], None if left is None else left - len(told["documents"])
            if after is None:
                return

    def _write(self, verb: str, collection: str, key: str, **fields: Any) -> dict[str, Any]:
        with self._lock:
            seen = {"seen": self._seen[collection, key]} if (collection, key) in self._seen else {}
        told: dict[str, Any] = self._line.ask(verb, {"collection": collection, "key": key, **seen, **fields})
        if "conflict" in told:
            raise StoreConflict(told["conflict"])
        self._see(collection, key, told["revision"])
        return told

    def _see(self, collection: str, key: str, revision: str | None) -> None:
        with self._lock:
            self._seen[collection, key] = revision
