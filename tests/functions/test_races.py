"""Two people at once: numbers and names stay unique, and nobody sees a database error."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.db import connection

from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import create_function, save_version

pytestmark = pytest.mark.django_db(transaction=True)
SOURCE = "def clean(text: str) -> str:\n    return text.strip()\n"


def at_once(cast: SimpleNamespace, action: Callable[[int], object], *, times: int) -> list[str]:
    """Do the same from several threads, each in a transaction of its own; tell how each ended."""

    def attempt(number: int) -> str:
        try:
            with scope(cast.acme.pk):
                action(number)
        except DomainError as error:
            return error.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(attempt, range(times)))


def test_versions_saved_at_once_get_numbers_of_their_own(transactional_cast: SimpleNamespace) -> None:
    cast = transactional_cast
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source=SOURCE)

    def save(number: int) -> object:
        mine = Function.objects.get(pk=function.pk)
        return save_version(actor=cast.developer, function=mine, source=f"{SOURCE}# {number}\n")

    assert at_once(cast, save, times=4) == ["done"] * 4
    with scope(cast.acme.pk):
        kept = list(FunctionVersion.objects.order_by("number").values_list("number", flat=True))
        assert kept == [1, 2, 3, 4, 5]
        assert Function.objects.get(pk=function.pk).active_version.number == 5


def test_a_name_asked_for_at_once_is_given_once(transactional_cast: SimpleNamespace) -> None:
    cast = transactional_cast
    outcomes = at_once(cast, lambda _: create_function(actor=cast.developer, source=SOURCE), times=4)
    assert sorted(outcomes) == ["done", "name_taken", "name_taken", "name_taken"]
    with scope(cast.acme.pk):
        assert FunctionVersion.objects.count() == 1
