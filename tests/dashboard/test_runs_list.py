"""The list of runs: filters in the address, chips, the plot, and the way to many at once."""

import re
from collections.abc import Callable
from html import unescape
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core import patience
from apps.core.tenancy import scope
from apps.runs.filters import RunFilter
from apps.runs.models import Run, RunTrigger
from apps.runs.states import RunState
from tests.dashboard.conftest import make_function, make_run

LIST = "/w/acme/runs/"


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.operator)


@pytest.fixture
def runs(cast: SimpleNamespace) -> SimpleNamespace:
    now = timezone.now()
    with scope(cast.acme.pk):
        shout, whisper = make_function(cast.developer), make_function(cast.owner, "whisper")
        ended = {"state": RunState.SUCCEEDED, "started_at": now, "finished_at": now}
        return SimpleNamespace(
            loud=make_run(cast.developer, shout, arguments={"text": "hello", "times": 3}, result="HELLO", **ended),
            rule=make_run(cast.owner, shout, arguments={"text": "bye"}, trigger=RunTrigger.RULE),
            quiet=make_run(cast.owner, whisper, arguments={"text": "hello"}, **{**ended, "state": RunState.FAILED}),
        )


def shown(client: Client, **query: str) -> list[str]:
    page = client.get(LIST, query).content.decode()
    table = page.partition('<table class="records">\n  <thead><tr><th>Run')[2] or page.rpartition('<table class="records">')[2]
    return re.findall(r"version 1 · (\w{8})", table)


def names(runs: SimpleNamespace, found: list[str]) -> list[str]:
    return [name for short in found for name, run in vars(runs).items() if run.short_id == short]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["quiet", "rule", "loud"]),
        ({"function": "shout"}, ["rule", "loud"]),
        ({"function": "shout", "trigger": "rule"}, ["rule"]),
        ({"arguments": "text = hello"}, ["quiet", "loud"]),
        ({"arguments": "text = hello", "state": "failed"}, ["quiet"]),
        ({"result": "= HELLO"}, ["loud"]),
        ({"q": "bye"}, ["rule"]),
        ({"state": "open"}, ["rule"]),
        ({"until": "2026-01-01T00:00"}, []),
    ],
    ids=str,
)
def test_the_address_says_what_is_shown(
    client: Client, runs: SimpleNamespace, query: dict[str, str], expected: list[str]
) -> None:
    assert names(runs, shown(client, **query)) == expected


def test_a_person_is_chosen_from_the_members(client: Client, cast: SimpleNamespace, runs: SimpleNamespace) -> None:
    page = client.get(LIST).content.decode()
    assert f'<option value="{cast.owner.pk}">owner</option>' in page
    assert names(runs, shown(client, person=str(cast.owner.pk))) == ["quiet", "rule"]


def test_each_chip_leads_to_the_list_without_its_filter(client: Client, runs: SimpleNamespace) -> None:
    query = {"function": "shout", "state": "succeeded", "arguments": "text = hello", "scale": "log", "before": str(runs.quiet.pk)}
    page = client.get(LIST, query).content.decode()
    chips = {
        words.strip(): {name: value for name, [value] in parse_qs(unescape(url)[1:]).items()}
        for url, words in re.findall(r'class="chip" href="([^"]*)"[^>]*><span class="quiet">[^<]*</span> ([^<]*)<', page)
    }
    kept = {name: text for name, text in query.items() if name != "before"}
    assert chips == {
        "shout": {name: text for name, text in kept.items() if name != "function"},
        "Succeeded": {name: text for name, text in kept.items() if name != "state"},
        "text = hello": {name: text for name, text in kept.items() if name != "arguments"},
    }


def test_pages_and_scales_keep_the_filters(client: Client, runs: SimpleNamespace) -> None:
    page = client.get(LIST, {"function": "shout", "arguments": "text = hello"}).content.decode()
    assert f'href="?{urlencode({"function": "shout", "arguments": "text = hello", "scale": "log"})}"' in unescape(page)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"state": "nonsense"}, "is no state of runs"),
        ({"arguments": "hello"}, "Write a condition such as"),
        ({"arguments": "{"}, "this is no JSON"),
        ({"function": "nobody"}, "There is no function “nobody” here."),
        ({"since": "soon"}, "is no time such as"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told_and_shows_nothing(
    client: Client, runs: SimpleNamespace, query: dict[str, str], words: str
) -> None:
    answer = client.get(LIST, query)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in unescape(page)
    assert 'class="run-choice"' not in page
    assert unescape(page).count(next(iter(query.values()))) >= 1, "what was typed is still there to be mended"


def test_a_filter_that_takes_too_long_is_ended_and_says_what_helps(client: Client, runs: SimpleNamespace, monkeypatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 1)
    slow = lambda self: Run.objects.extra(where=["pg_sleep(2) IS NOT NULL"])  # noqa: E731  stands in for a method
    monkeypatch.setattr(RunFilter, "rows", slow)
    answer = client.get(LIST)
    assert answer.status_code == 422
    assert "choose a function, a state or a shorter time" in answer.content.decode()


def test_dots_lead_to_their_runs_and_the_scale_can_be_chosen(client: Client, runs: SimpleNamespace) -> None:
    page = client.get(LIST, {"scale": "log"}).content.decode()
    plot = page.partition("data-scatter")[2].partition("</section>")[0]
    assert set(re.findall(r'<a href="/w/acme/runs/([0-9a-f-]{36})/" tabindex="-1"', plot)) == {
        str(runs.loud.pk),
        str(runs.quiet.pk),
    }
    assert 'aria-current="true">Logarithmic' in page
    assert "In words" in page


def test_a_viewer_is_offered_nothing_that_they_may_not(cast: SimpleNamespace, runs: SimpleNamespace, sign_in) -> None:
    page = sign_in(cast.viewer).get(LIST).content.decode()
    assert "Cancel chosen" not in page
    assert 'class="form-check-input run-choice"' not in page


def test_filters_cost_as_many_queries_for_many_runs_as_for_few(client: Client, cast: SimpleNamespace, runs) -> None:
    query = {"function": "shout", "arguments": '{"text": {"$exists": true}}', "q": "shout"}
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(LIST, query).status_code == 200
        counts.append(len(queries))
        with scope(cast.acme.pk):
            for _ in range(10):
                make_run(cast.developer, runs.loud.version, arguments={"text": "hello"}, started_at=timezone.now())
    assert counts[0] == counts[1]
    assert counts[0] <= 25
