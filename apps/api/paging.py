"""Pages by cursor: the id of the last row, which is also its time. No counting, no offsets."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

LARGEST = 200
USUAL = 50


def page_of(rows: QuerySet[Any], *, after: UUID | None, limit: int, show: Callable[[Any], Any]) -> dict[str, Any]:
    """`limit` rows older than `after`, newest first, with the cursor of the next page."""
    limit = max(1, min(limit, LARGEST))
    older = rows.filter(pk__lt=after) if after else rows
    found = list(older.order_by("-pk")[: limit + 1])
    following = found[limit - 1].pk if len(found) > limit else None
    return {"items": [show(row) for row in found[:limit]], "next": following}
