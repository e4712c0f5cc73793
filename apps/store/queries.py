"""Documents a page at a time, by cursor, in the order of their keys or of their last change."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import OperationalError, connection
from django.db.models import Q, QuerySet
from psycopg.errors import QueryCanceled

from apps.core.errors import Invalid
from apps.store.filters import read_filter

PATIENCE_SECONDS = 3
LARGEST_PAGE = 200
_HIGHEST = "\U0010ffff"
ORDERS = ("key", "-key", "updated_at", "-updated_at")


class BadOrder(Invalid):
    code = "bad_order"


class BadCursor(Invalid):
    code = "bad_cursor"


class BadPrefix(Invalid):
    code = "bad_prefix"


class FilterTooSlow(Invalid):
    code = "filter_too_slow"


class Row(Protocol):
    """A document, or a pending write of one."""

    key: str
    value: Any
    size: int
    updated_at: datetime

    @property
    def revision(self) -> UUID: ...


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
        return datetime.fromisoformat(at), _text(key)
    except (ValueError, TypeError, AttributeError):
        raise BadCursor("There is no such page: take the cursor that came with the page before, with the same order.") from None


def _text(key: Any) -> str:
    if not isinstance(key, str) or not key.isprintable():
        raise ValueError
    return key


def rows_of(rows: QuerySet[Any], query: Query) -> list[Any]:
    """One row more than the page has, in its order, so that it is known whether there is a next one.

    Raises: FilterTooSlow.
    """
    found = rows.filter(query.where, _further(query)) if query.after else rows.filter(query.where)
    sign = "-" if query.is_descending else ""
    order = [sign + "key"] if query.order.endswith("key") else [sign + "updated_at", sign + "key"]
    with _patience():
        return list(found.order_by(*order)[: query.limit + 1])


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


def page_of[R: Row](rows: Sequence[R], query: Query, *, most_bytes: int | None = None) -> Page[R]:
    """The page out of what `rows_of` gave; fewer documents when they are larger together than `most_bytes`."""
    shown, size = 0, 0
    for row in rows[: query.limit]:
        size += row.size
        if shown and most_bytes is not None and size > most_bytes:
            break
        shown += 1
    kept = rows[:shown]
    return Page(kept, query.cursor_of(kept[-1]) if len(rows) > shown and kept else None)


def page_by_name[R: Named](rows: QuerySet[Any], *, after: str, limit: int) -> Page[R]:
    """Rows in the order of their names; the cursor is the last one's name."""
    limit = max(1, min(limit, LARGEST_PAGE))
    found = list(rows.filter(name__gt=after)[: limit + 1])
    return Page(found[:limit], found[limit - 1].name if len(found) > limit else None)


@contextmanager
def _patience() -> Iterator[None]:
    """No filter keeps the database busy for longer: it may have to look through a whole collection."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")  # takes no parameter
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise FilterTooSlow(
                f"Nothing was found within {PATIENCE_SECONDS} s: filter on the beginning of keys, or keep fewer in a collection."
            ) from error
        raise
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
