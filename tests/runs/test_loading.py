"""When the page says that doing a function's imports beforehand would pay."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from apps.core.tenancy import scope
from apps.functions.models import FunctionVersion
from apps.functions.services import create_function
from apps.runs.loading import LOOKED_AT, loading_worth_saving
from apps.runs.models import Run, Span
from sandbox import LOADING

SOURCE = "def shout(text: str) -> str:\n    return text.upper()\n"


@pytest.fixture
def version(cast) -> FunctionVersion:
    with scope(cast.acme.pk):
        return create_function(actor=cast.developer, source=SOURCE).active_version


def store_runs(
    version: FunctionVersion, number: int, *, seconds: float, loading: float, apart: float = 10, **fields: Any
) -> None:
    for each in range(number):
        created = now() - timedelta(seconds=apart * (number - each))
        given = {"state": "succeeded", "seconds": seconds, "created_at": created, **fields}
        run = Run.objects.create(function=version.function, version=version, **given)
        spans = [("1", "", LOADING, loading), ("2", "", "shout", seconds), ("3", "2", LOADING, 100.0)]
        Span.objects.bulk_create(
            Span(run=run, attempt=1, key=key, parent_key=parent, function_name=name, seconds=took)
            for key, parent, name, took in spans
        )


def test_imports_that_take_most_of_the_time_of_frequent_runs_are_worth_doing_beforehand(cast, version) -> None:
    with scope(cast.acme.pk):
        store_runs(version, LOOKED_AT + 5, seconds=1.0, loading=0.8)
        found = loading_worth_saving(version)
    assert found is not None
    assert (found.seconds, found.of_seconds, found.percent, found.runs) == (0.8, 1.0, 80, LOOKED_AT)


@pytest.mark.parametrize(
    "runs",
    [
        {"number": 2, "seconds": 1.0, "loading": 0.8},
        {"number": 5, "seconds": 1.0, "loading": 0.05},
        {"number": 5, "seconds": 10.0, "loading": 0.8},
        {"number": 5, "seconds": 1.0, "loading": 0.8, "apart": 3600},
        {"number": 5, "seconds": 1.0, "loading": 0.8, "state": "failed"},
    ],
    ids=["too few", "too short", "a small part", "too seldom", "not one went well"],
)
def test_otherwise_nothing_is_said(cast, version, runs: dict[str, Any]) -> None:
    with scope(cast.acme.pk):
        store_runs(version, **runs)
        assert loading_worth_saving(version) is None


def test_nothing_is_said_of_a_version_that_does_it_already(cast, version) -> None:
    with scope(cast.acme.pk):
        store_runs(version, 5, seconds=1.0, loading=0.8)
        version.imports_first = True
        assert loading_worth_saving(version) is None
