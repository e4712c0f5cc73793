"""The state store: documents by collection and key."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from selfsmith.models import Collection, Document
from selfsmith.nouns.base import Noun, read, segment


class Store(Noun):
    def collections(self) -> Iterator[Collection]:
        return self._pages(Collection, "/store")

    def find(
        self,
        collection: str,
        where: Mapping[str, Any] | None = None,
        *,
        prefix: str = "",
        order: str = "key",
        limit: int | None = None,
    ) -> Iterator[Document]:
        """Documents that fulfil a filter, all pages."""
        query = {"where": json.dumps(where) if where else "", "prefix": prefix, "order": order}
        return self._pages(Document, f"/store/{segment(collection)}", limit=limit, **query)

    def get(self, collection: str, key: str) -> Document:
        return read(Document, self._transport.get(_place(collection, key)))

    def put(self, collection: str, key: str, value: Any, *, seen: UUID | None = None, is_new: bool = False) -> Document:
        """Write a document.

        Args:
            seen: the revision that was read; refused when it is another by now.
            is_new: make it, and replace none.
        """
        headers = {"If-Match": f'"{seen}"'} if seen else {"If-None-Match": "*"} if is_new else {}
        # Done twice, a change on a condition would meet what it made itself.
        how: dict[str, Any] = {"body": {"value": value}, "headers": headers, "repeatable": not headers}
        return read(Document, self._transport.json("PUT", _place(collection, key), **how))

    def delete(self, collection: str, key: str, *, seen: UUID | None = None) -> None:
        headers = {"If-Match": f'"{seen}"'} if seen else {}
        self._transport.json("DELETE", _place(collection, key), headers=headers, repeatable=not headers)


def _place(collection: str, key: str) -> str:
    """Keys may have slashes."""
    return f"/store/{segment(collection)}/{quote(key)}"
