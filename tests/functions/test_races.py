"""Two people at once: numbers and names stay unique, and nobody sees a database error."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
from django.db import connection

from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.functions.activation import activate_version, roll_back
from apps.functions.archive import archive_function
from apps.functions.editing import Basis
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


def test_of_two_who_edit_the_same_version_at_once_one_is_told(transactional_cast: SimpleNamespace) -> None:
    cast = transactional_cast
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source=SOURCE)

    def save(number: int) -> object:
        mine = Function.objects.get(pk=function.pk)
        return save_version(actor=cast.developer, function=mine, source=f"{SOURCE}# {number}\n", basis=Basis(1, 1))

    assert sorted(at_once(cast, save, times=4)) == ["done", "edit_conflict", "edit_conflict", "edit_conflict"]
    with scope(cast.acme.pk):
        assert FunctionVersion.objects.count() == 2


def test_of_two_who_choose_the_active_version_at_once_one_is_told(transactional_cast: SimpleNamespace) -> None:
    cast = transactional_cast
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source=SOURCE)
        save_version(actor=cast.developer, function=function, source=f"{SOURCE}# 2\n")
        save_version(actor=cast.developer, function=function, source=f"{SOURCE}# 3\n", activate=False)

    def choose(number: int) -> object:
        act, chosen = [(roll_back, 1), (activate_version, 3)][number]
        return act(actor=cast.developer, version=FunctionVersion.objects.get(number=chosen), instead_of=2)

    assert sorted(at_once(cast, choose, times=2)) == ["active_version_changed", "done"]


def test_two_activations_at_once_close_no_circle(transactional_cast: SimpleNamespace) -> None:
    """Each alone is sound: left comes to call right, and right to call left."""
    cast, names, both = transactional_cast, ["left", "right"], Barrier(2)
    with scope(cast.acme.pk):
        for name in names:
            create_function(actor=cast.developer, source=f"def {name}(): ...")
        for name, other in zip(names, reversed(names), strict=True):
            function = Function.objects.get(name=name)
            save_version(actor=cast.developer, function=function, source=f"def {name}(): {other}()", activate=False)

    def activate(number: int) -> object:
        draft = FunctionVersion.objects.get(function__name=names[number], number=2)
        both.wait()
        return activate_version(actor=cast.developer, version=draft)

    assert sorted(at_once(cast, activate, times=2)) == ["dependency_cycle", "done"]
    with scope(cast.acme.pk):
        assert FunctionVersion.objects.active().filter(number=2).count() == 1


def test_what_is_archived_at_once_with_a_caller_s_activation_is_either_called_or_archived(
    transactional_cast: SimpleNamespace,
) -> None:
    cast, both = transactional_cast, Barrier(2)
    with scope(cast.acme.pk):
        function = create_function(actor=cast.developer, source=SOURCE)
        caller = create_function(actor=cast.developer, source="def caller(): ...")

        draft = save_version(actor=cast.developer, function=caller, source="def caller(): clean('a')", activate=False)

    def act(number: int) -> object:
        both.wait()
        if number:
            return archive_function(actor=cast.developer, function=Function.objects.get(pk=function.pk))
        return activate_version(actor=cast.developer, version=FunctionVersion.objects.get(pk=draft.pk))

    told = at_once(cast, act, times=2)
    assert told in (["done", "function_in_use"], ["unknown_dependency", "done"])
