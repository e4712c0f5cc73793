"""Fields that the database is told about in a way of their own."""

import re
from typing import Any

from django.db import models
from django.db.models.lookups import Exact, In

_WORD = re.compile(r"[a-z_]+\Z")


class StateField(models.CharField[str, str]):
    """One of a few words, which stands in a statement as itself and not as a parameter.

    A prepared statement has one plan for all its parameters. With the word in its text the plan can use an index of the rows
    in this state alone, and knows how rare they are: few of a hundred thousand runs are queued, or failed lately.
    """

    def deconstruct(self) -> Any:
        """For migrations a text like any other: the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


def _with_words(sql: str, words: Any) -> tuple[str, Any]:
    """The words written into the statement, unless one is no plain word: then all stay parameters."""
    if words and all(isinstance(word, str) and _WORD.match(word) for word in words):
        return sql % tuple(f"'{word}'" for word in words), []
    return sql, words


@StateField.register_lookup
class _IsState(Exact[Any]):
    def process_rhs(self, compiler: Any, connection: Any) -> Any:
        sql, params = super().process_rhs(compiler, connection)
        return _with_words(sql, params) if self.rhs_is_direct_value() else (sql, params)


@StateField.register_lookup
class _IsOneOfStates(In):
    def process_rhs(self, compiler: Any, connection: Any) -> Any:
        sql, params = super().process_rhs(compiler, connection)
        return _with_words(sql, params) if self.rhs_is_direct_value() else (sql, params)
