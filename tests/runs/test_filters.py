"""Which runs a filter finds, alone and combined; and what is refused before the database hears of it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.errors import Invalid
from apps.core.ids import uuid7_floor
from apps.core.tenancy import scope
from apps.runs.filters import LONGEST, RunFilter, read_run_filter
from apps.runs.models import Run, RunTrigger
from apps.runs.states import RunState
from tests.conftest import make_cast
from tests.dashboard.conftest import make_function, make_run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = {"order": {"city": "Paris", "rows": [{"price": 9.5}]}, "n": 42, "code": "42", "flag": True}


@pytest.fixture
def runs(db: None) -> SimpleNamespace:
    """Four runs an hour apart; and one of globex that would match anything. Nothing of them need be committed."""
    cast = make_cast()
    made = SimpleNamespace(cast=cast)
    with scope(cast.globex.pk):
        make_run(cast.stranger, make_function(cast.stranger, "order"), arguments=ORDER, result={"total": 100})
    with scope(cast.acme.pk):
        made.order, made.other = make_function(cast.developer, "order"), make_function(cast.developer, "other")

        def run(name: str, hours: int, member: Any, version: Any, **fields: Any) -> None:
            pk = uuid7_floor(NOON + timedelta(hours=hours))
            setattr(made, name, make_run(member, version, pk=pk, **{"state": RunState.SUCCEEDED, **fields}))

        run("first", 0, cast.developer, made.order, arguments=ORDER, result={"total": 100, "note": "Grüße an Ada"})
        run("plain", 1, cast.owner, made.order, arguments={"n": 7}, result=42, trigger=RunTrigger.API)
        run("failed", 2, cast.developer, made.other, state=RunState.FAILED, message="No such city.", trigger=RunTrigger.RULE)
        run("late", 3, cast.developer, made.other, state=RunState.RUNNING, result=None)
    return made


def found(runs: SimpleNamespace, **given: str) -> list[str]:
    names = {getattr(runs, name).pk: name for name in ("first", "plain", "failed", "late")}
    with scope(runs.cast.acme.pk):
        return [names[pk] for pk in read_run_filter(given).rows().order_by("pk").values_list("pk", flat=True)]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["first", "plain", "failed", "late"]),
        ({"state": "failed"}, ["failed"]),
        ({"state": "open"}, ["late"]),
        ({"trigger": "api"}, ["plain"]),
        ({"trigger": "rule", "state": "failed"}, ["failed"]),
        ({"trigger": "rule", "state": "succeeded"}, []),
        ({"q": "order"}, ["first", "plain"]),
        ({"q": "ORD"}, ["first", "plain"]),
        ({"q": "such city"}, ["failed"]),
        ({"q": "paris"}, ["first"]),
        ({"q": "grüße ada"}, ["first"]),
        ({"q": "paris nowhere"}, []),
        ({"q": "%"}, []),
        ({"since": "2026-03-01T13:00"}, ["plain", "failed", "late"]),
        ({"until": "2026-03-01T13:00"}, ["first"]),
        ({"since": "2026-03-01T13:00:00+00:00", "until": "2026-03-01T16:00:00+02:00"}, ["plain"]),
        ({"since": "2026-03-02"}, []),
        ({"arguments": "order.city = Paris"}, ["first"]),
        ({"arguments": 'order.city="Paris"'}, ["first"]),
        ({"arguments": "order.rows.0.price >= 9"}, ["first"]),
        ({"arguments": "order.rows.0.price > 9.5"}, []),
        ({"arguments": "n = 42"}, ["first"]),
        ({"arguments": "code = 42"}, ["first"]),
        ({"arguments": 'n = "42"'}, []),
        ({"arguments": "flag = true"}, ["first"]),
        ({"arguments": "n != 42"}, ["plain", "failed", "late"]),
        ({"arguments": '{"n": {"$in": [7, 8]}}'}, ["plain"]),
        ({"arguments": '{"$or": [{"n": 7}, {"order.city": "Paris"}]}'}, ["first", "plain"]),
        ({"arguments": 'order = {"city": "Paris", "rows": [{"price": 9.5}]}'}, ["first"]),
        ({"result": "= 42"}, ["plain"]),
        ({"result": "> 41"}, ["plain"]),
        ({"result": "total = 100"}, ["first"]),
        ({"result": "total < 100"}, []),
        ({"arguments": "n < 10", "result": "= 42", "state": "succeeded", "trigger": "api", "q": "order"}, ["plain"]),
        ({"arguments": "it's = '; DROP TABLE runs_run; --"}, []),
        ({"q": "'; DROP TABLE runs_run; --"}, []),
    ],
    ids=str,
)
def test_a_filter_finds_what_it_says(runs: SimpleNamespace, given: dict[str, str], names: list[str]) -> None:
    assert found(runs, **given) == names


def test_a_filter_by_function_and_by_person(runs: SimpleNamespace) -> None:
    assert found(runs, function=str(runs.order.function_id)) == ["first", "plain"]
    assert found(runs, person=str(runs.cast.owner.pk)) == ["plain"]
    assert found(runs, function=str(runs.order.function_id), person=str(runs.cast.developer.pk)) == ["first"]


def test_an_id_finds_its_run(runs: SimpleNamespace) -> None:
    assert found(runs, q=str(runs.failed.pk)) == ["failed"]


@pytest.mark.parametrize(
    "given",
    [
        {"state": "nonsense"}, {"trigger": "magic"}, {"function": "x"}, {"person": "7"}, {"since": "yesterday"},
        {"until": "2026-02-30"}, {"since": "0001-01-01T00:00:00+23:59"}, {"until": "9999-12-31T23:59:59-23:59"},
        {"arguments": "Paris"}, {"arguments": "{"}, {"arguments": '{"$where": 1}'}, {"arguments": "$or = 1"},
        {"arguments": "a..b = 1"}, {"arguments": "n > true"}, {"result": "[1]"}, {"result": "= 1e999"}, {"result": "="},
        {"arguments": "a = \ud800"}, {"q": "x" * (LONGEST + 1)}, {"q": "a " * 11}, {"arguments": "[" * 900 + "= 1"},
        {"arguments": '{"a": ' * 100 + "1" + "}" * 100},
    ],
    ids=lambda given: str(given)[:50].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_refused_with_a_sentence(given: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refusal:
        read_run_filter(given)
    assert refusal.value.message.endswith(".")


def test_what_was_written_comes_back_as_the_same_filter() -> None:
    given = {"q": "a b", "state": "failed", "since": "2026-03-01T13:00", "arguments": "n = 1", "result": ""}
    wanted = read_run_filter({**given, "page": "7"})
    assert wanted.written() == {name: text for name, text in given.items() if text}
    assert read_run_filter(wanted.written()) == wanted
    assert RunFilter().written() == {}


@pytest.fixture
def long_list(runs: SimpleNamespace) -> SimpleNamespace:
    """Three thousand runs of other, all by the developer but one in ten, which differs in everything."""
    cast = runs.cast
    usual = {"function": runs.other.function, "version": runs.other, "asked_by": cast.developer, "state": RunState.SUCCEEDED}
    rare = {"asked_by": cast.owner, "state": RunState.FAILED, "trigger": RunTrigger.RULE}
    rare |= {"function": runs.order.function, "version": runs.order}
    with scope(cast.acme.pk), connection.cursor() as cursor:
        Run.objects.bulk_create(Run(**{**usual, **(rare if number % 10 == 0 else {})}) for number in range(3000))
        cursor.execute("ANALYZE runs_run")
    return runs


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("state", "runs_run_state"),
        ("trigger", "runs_run_trigger"),
        ("person", "runs_run_person"),
        ("function", "runs_run_function"),
    ],
)
def test_a_page_is_read_by_the_index_of_its_filter(long_list: SimpleNamespace, name: str, index: str) -> None:
    """In the order of the index: no run is sorted, and none of the others is looked at."""
    owner, order = str(long_list.cast.owner.pk), str(long_list.order.function_id)
    given = {"state": "failed", "trigger": "rule", "person": owner, "function": order}
    wanted = read_run_filter({name: given[name]})
    with scope(long_list.cast.acme.pk), connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        list(wanted.rows().order_by("-pk")[:26])
        cursor.execute(f"EXPLAIN {queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert f"Index Scan using {index}" in plan, plan
    assert "Sort" not in plan, plan


def test_arguments_that_are_not_stored_are_found_by_nothing(runs: SimpleNamespace) -> None:
    with scope(runs.cast.acme.pk):
        Run.objects.filter(pk=runs.late.pk).update(logging={"store_arguments": False})
    assert found(runs, arguments='{"n": {"$exists": true}}') == ["first", "plain"]
