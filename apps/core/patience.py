"""No search keeps the database busy for longer than somebody waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection
from psycopg.errors import QueryCanceled

from apps.core.errors import Invalid

PATIENCE_SECONDS = 3


class FilterTooSlow(Invalid):
    code = "filter_too_slow"


@contextmanager
def patience(advice: str) -> Iterator[None]:
    """Each statement inside ends after PATIENCE_SECONDS: a filter may have to look through all that there is.

    Raises: FilterTooSlow with `advice` on how to ask for less. The transaction, or the savepoint around, is then of no more use.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")  # takes no parameter
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise FilterTooSlow(f"Nothing was found within {PATIENCE_SECONDS} s: {advice}") from error
        raise
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
