"""Lists: a page at a time, and as many queries for many rows as for few."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.services import record
from apps.core.tenancy import scope
from apps.dashboard.paging import ROWS
from apps.llm.models import ConnectionState
from apps.runs.models import Run
from apps.store.services import write_document
from apps.triggers.schedules import create_schedule
from apps.vault.services import set_secret
from tests.dashboard.conftest import (
    make_event,
    make_function,
    make_model,
    make_pack,
    make_package_set,
    make_rule,
    make_run,
    make_task,
)


def some(cast: SimpleNamespace, noun: str, count: int) -> None:
    """So many more rows of a noun."""
    with scope(cast.acme.pk):
        for number in range(count):
            MAKERS[noun](cast, f"{noun}{number}{count}")


def make_delivery(cast: SimpleNamespace, name: str) -> None:
    """An event at a rule of its own."""
    target = make_function(cast.developer, name).function
    make_rule(cast.developer, target, name, event_type=f"order.{name}")
    make_event(type=f"order.{name}", emitted_by=cast.developer)


MAKERS: dict[str, Callable[[SimpleNamespace, str], Any]] = {
    "tasks": lambda cast, name: make_task(cast.developer, make_model(name=name), title=name),
    "functions": lambda cast, name: make_run(cast.developer, make_function(cast.developer, name)),
    "runs": lambda cast, name: make_run(cast.developer, make_function(cast.developer, name)),
    "approvals": lambda cast, name: make_package_set(cast.developer, name),
    "packs": lambda cast, name: make_pack(cast.developer, name),
    "packages": lambda cast, name: make_package_set(cast.developer, name),
    "secrets": lambda cast, name: set_secret(actor=cast.admin, name=name, value="s3cret-value"),
    "models": lambda cast, name: make_model(name=name, state=ConnectionState.OK),
    "rules": make_delivery,
    "events": make_delivery,
    "schedules": lambda cast, name: create_schedule(actor=cast.developer, name=name, cron="0 9 * * *", now=timezone.now()),
    "store": lambda cast, name: write_document(actor=cast.admin, collection=name, key="a", value=1),
    "audit": lambda cast, name: record(actor=cast.admin, action=name),
}


@pytest.mark.parametrize("noun", [*MAKERS, ""])
def test_a_list_costs_as_many_queries_for_many_rows_as_for_few(noun: str, cast, sign_in: Callable[..., Client]) -> None:
    client, url = sign_in(cast.owner), f"/w/acme/{noun}/" if noun else "/w/acme/"
    makers = [noun] if noun else ["tasks", "runs", "approvals"]
    counts = []
    for count in (2, 9):
        for maker in makers:
            some(cast, maker, count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(url).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 25


def test_runs_of_a_function_are_counted_no_further_than_a_list_needs(cast, sign_in: Callable[..., Client], monkeypatch) -> None:
    monkeypatch.setattr("apps.dashboard.functions.MANY_RUNS", 3)
    with scope(cast.acme.pk):
        for name, runs in (("rare", 2), ("frequent", 5)):
            function = make_function(cast.developer, name)
            for _ in range(runs):
                make_run(cast.developer, function)
    page = sign_in(cast.owner).get("/w/acme/functions/").content.decode()
    assert re.findall(r'data-label="Runs" class="number">([^<]*)<', page) == ["3 or more", "2"]


def shown(page: str) -> list[str]:
    return re.findall(r"version 1 · (\w{8})", page)


def linked(page: str, which: str) -> str:
    found = re.search(rf'rel="{which}" href="([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else ""


def test_pages_go_on_where_the_last_one_ended_and_back_again(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer)
        runs = [make_run(cast.developer, version) for _ in range(2 * ROWS + 3)]
    newest_first = [run.short_id for run in reversed(runs)]
    client = sign_in(cast.viewer)
    first = client.get("/w/acme/runs/?q=shout").content.decode()
    second = client.get("/w/acme/runs/" + linked(first, "next")).content.decode()
    third = client.get("/w/acme/runs/" + linked(second, "next")).content.decode()
    assert shown(first) + shown(second) + shown(third) == newest_first
    assert (linked(first, "prev"), linked(third, "next")) == ("", "")
    back = client.get("/w/acme/runs/" + linked(third, "prev")).content.decode()
    assert shown(back) == shown(second)
    assert "q=shout" in linked(back, "prev")


def test_new_rows_do_not_shift_a_page(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer)
        for _ in range(ROWS + 2):
            make_run(cast.developer, version)
    client = sign_in(cast.viewer)
    following = "/w/acme/runs/" + linked(client.get("/w/acme/runs/").content.decode(), "next")
    before = shown(client.get(following).content.decode())
    with scope(cast.acme.pk):
        make_run(cast.developer, version)
    assert shown(client.get(following).content.decode()) == before
    assert len(before) == 2


def test_a_list_of_one_workspace_shows_nothing_of_another(cast, sign_in, things, foreign) -> None:
    with scope(cast.globex.pk):
        theirs = Run.objects.get().short_id
    page = sign_in(cast.owner).get("/w/acme/runs/").content.decode()
    assert theirs not in page
    assert len(shown(page)) == 1


def test_home_finds_what_failed_lately_by_an_index_and_not_among_all_runs(cast, sign_in: Callable[..., Client]) -> None:
    client = sign_in(cast.owner)
    with CaptureQueriesContext(connection) as queries:
        client.get("/w/acme/")
    (asked,) = [query["sql"] for query in queries if '"runs_run"."finished_at" >' in query["sql"]]
    with scope(cast.acme.pk), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a few rows are always read whole
        cursor.execute(f"EXPLAIN {asked}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "runs_run_failed" in plan
