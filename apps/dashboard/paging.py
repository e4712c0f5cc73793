"""Lists a page at a time, by the id of the row at the edge: ids sort by time, so nothing is counted or skipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import IntegerField, Model, QuerySet, Subquery
from django.http import HttpRequest

from apps.core.errors import NotFound

ROWS = 25


class BadCursor(NotFound):
    code = "bad_cursor"


@dataclass(frozen=True)
class Page[Row]:
    """One page, newest first. The addresses are query strings, None where there is nothing further."""

    rows: Sequence[Row]
    previous_url: str | None
    next_url: str | None


class CountOf(Subquery):
    """How many rows a query gives, for each row of the list around it. Slice it: all that is counted is gone through."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def paginate[Row: Model](request: HttpRequest, rows: QuerySet[Row], *, size: int = ROWS) -> Page[Row]:
    """The page that `?before=<id>` (older) or `?after=<id>` (newer) asks for; the first one without either.

    Raises:
        BadCursor: the cursor is no id.
    """
    before, after = _cursor(request, "before"), _cursor(request, "after")
    if after:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        shown, has_newer, has_older = found[:size][::-1], len(found) > size, True
    else:
        older = rows.filter(pk__lt=before) if before else rows
        found = list(older.order_by("-pk")[: size + 1])
        shown, has_newer, has_older = found[:size], before is not None, len(found) > size
    return Page(
        shown,
        _url(request, "after", shown[0]) if shown and has_newer else None,
        _url(request, "before", shown[-1]) if shown and has_older else None,
    )


def _cursor(request: HttpRequest, name: str) -> UUID | None:
    given = request.GET.get(name, "")
    try:
        return UUID(given) if given else None
    except ValueError:
        raise BadCursor("There is no such page of this list.") from None


def _url(request: HttpRequest, name: str, row: Model) -> str:
    """The other parameters (search, filters) stay."""
    parameters = request.GET.copy()
    for cursor in ("before", "after"):
        parameters.pop(cursor, None)
    parameters[name] = str(row.pk)
    return f"?{parameters.urlencode()}"
