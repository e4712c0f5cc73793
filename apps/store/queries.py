"""Documents a page at a time, by cursor, in the order of their keys or of their last change."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Protocol

from django.db.models import Q, QuerySet

from apps.core.errors import Invalid
from apps.core.json_filters import read_filter
from apps.core.patience import patience

LARGEST_PAGE = 200
_HIGHEST = "\U0010ffff"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # no document was written before
ORDERS = ("key", "-key", "updated_at", "-updated_at")


class BadOrder(Invalid):
    code = "bad_order"


class BadCursor(Invalid):
    code = "bad_cursor"


class BadPrefix(Invalid):
    code = "bad_prefix"


class Row(Protocol):
    """A document, or a pending write of one."""

    key: str
    size: int
    updated_at: datetime


class Named(Protocol):
    """A collection."""

    name: str


@dataclass(frozen=True)
class Query:
    """What somebody looks for in one collection. Made by `read_query`, which has checked it."""

    where: Q
    order: str
    after: tuple[Any, ...] | None
    limit: int

    @property
    def is_descending(self) -> bool:
        return self.order.startswith("-")

    def sorts_by(self) -> Callable[[Any], tuple[Any, ...]]:
        """What Python sorts rows by, as the database does."""
        by_key = self.order.endswith("key")
        return lambda row: (row.key,) if by_key else (row.updated_at, row.key)

    def cursor_of(self, row: Row) -> str:
        """Where the page after this row begins."""
        place = [part.isoformat() if isinstance(part, datetime) else part for part in self.sorts_by()(row)]
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_query(*, where: Any = None, prefix: Any = "", order: Any = "key", after: Any = None, limit: Any = 50) -> Query:
    """A query out of what somebody sent.

    Raises: BadFilter, BadOrder, BadCursor, BadPrefix.
    """
    if order not in ORDERS:
        raise BadOrder(f"The order is one of {', '.join(ORDERS)}.")
    if not isinstance(prefix, str) or not (prefix.isprintable() or not prefix):
        raise BadPrefix("Keys are searched by the visible text with which they begin.")
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise BadCursor("The limit of a page is a whole number.")
    condition = read_filter(where) if where is not None else Q()
    if prefix:
        condition &= Q(key__gte=prefix, key__lt=prefix + _HIGHEST)  # a range, which the index on keys answers
    return Query(condition, order, _read_cursor(order, after), max(1, min(limit, LARGEST_PAGE)))


def _read_cursor(order: str, given: Any) -> tuple[Any, ...] | None:
    if given is None or given == "":
        return None
    try:
        place = json.loads(base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True))
        if order.endswith("key"):
            (key,) = place
            return (_text(key),)
        at, key = place
        return _time(at), _text(key)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadCursor("There is no such page: take the cursor that came with the page before, with the same order.") from None


def _time(at: Any) -> datetime:
    moment = datetime.fromisoformat(at)
    if moment < EARLIEST:  # TypeError for one without a zone
        raise ValueError
    return moment


def _text(key: Any) -> str:
    if not isinstance(key, str) or not key.isprintable():
        raise ValueError
    return key


def _further(query: Query) -> Q:
    assert query.after is not None
    side = "lt" if query.is_descending else "gt"
    if query.order.endswith("key"):
        return Q(**{f"key__{side}": query.after[0]})
    at, key = query.after
    return Q(**{f"updated_at__{side}": at}) | Q(**{"updated_at": at, f"key__{side}": key})


@dataclass(frozen=True)
class Page[R]:
    """`next` is the cursor of the following page, None at the end."""

    rows: Sequence[R]
    next: str | None


def page_of(sources: Sequence[QuerySet[Any]], query: Query, *, most_bytes: int | None = None) -> Page[Any]:
    """The page out of one or more sets of rows; with values, as many as have at most `most_bytes` together, else without them.

    Values are read last, and only those that are shown: hundreds of documents may be large.

    Raises: FilterTooSlow.
    """
    with patience("filter on the beginning of keys, or keep fewer in a collection."):
        found = [row for rows in sources for row in _first_of(rows, query)]
    found.sort(key=query.sorts_by(), reverse=query.is_descending)
    shown = found[: query.limit] if most_bytes is None else _within(found[: query.limit], most_bytes)
    following = query.cursor_of(shown[-1]) if shown and len(found) > len(shown) else None
    return Page(shown if most_bytes is None else _with_values(sources, shown), following)


def _first_of(rows: QuerySet[Any], query: Query) -> list[Any]:
    """One row more than the page has, in its order, so that it is known whether there is a next one."""
    found = rows.filter(query.where, _further(query)) if query.after else rows.filter(query.where)
    sign = "-" if query.is_descending else ""
    order = [sign + "key"] if query.order.endswith("key") else [sign + "updated_at", sign + "key"]
    return list(found.defer("value").order_by(*order)[: query.limit + 1])


def _within(rows: Sequence[Row], most_bytes: int) -> list[Row]:
    """As many rows as fit, and always the first one."""
    sizes = accumulate(row.size for row in rows)
    return [row for number, (row, size) in enumerate(zip(rows, sizes, strict=True)) if number == 0 or size <= most_bytes]


def _with_values(sources: Sequence[QuerySet[Any]], rows: Sequence[Any]) -> list[Any]:
    """The same rows, read again as a whole; one that was deleted meanwhile is left out."""
    wanted = [row.pk for row in rows]
    whole = {row.pk: row for source in sources for row in source.filter(pk__in=wanted)}
    return [whole[pk] for pk in wanted if pk in whole]


def page_by_name[R: Named](rows: QuerySet[Any], *, after: str, limit: int) -> Page[R]:
    """Rows in the order of their names; the cursor is the last one's name."""
    limit = max(1, min(limit, LARGEST_PAGE))
    found = list(rows.filter(name__gt=after)[: limit + 1])
    return Page(found[:limit], found[limit - 1].name if len(found) > limit else None)
