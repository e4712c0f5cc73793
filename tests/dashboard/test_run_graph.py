"""Runs and calls as a picture."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import scope
from apps.runs.models import Run, Span
from apps.runs.states import RunState
from tests.dashboard.conftest import make_function, make_run

type SignIn = Callable[..., Client]


def span(run: Run, key: str, name: str, parent: str = "", **fields: object) -> Span:
    return Span.objects.create(run=run, attempt=run.attempt, key=key, parent_key=parent, function_name=name, **fields)


@pytest.fixture
def tree(cast: SimpleNamespace) -> SimpleNamespace:
    """A run of report calls fetch, which calls parse and fails; beside it, its call of shout has a run of its own."""
    with scope(cast.acme.pk):
        top = make_run(cast.developer, make_function(cast.developer, "report"), state=RunState.FAILED, attempt=2, seconds=1.5)
        span(top, "1", "fetch", error="ValueError: no", line=3)
        span(top, "2", "parse", "1", seconds=0.25)
        span(top, "3", "shout", seconds=1.0)
        Span.objects.create(run=top, attempt=1, key="1", function_name="of_the_first_attempt")
        told = {"parent": top, "root": top, "depth": 1, "parent_attempt": 2, "parent_span": "3"}
        below = make_run(cast.developer, make_function(cast.developer, "shout"), state=RunState.SUCCEEDED, attempt=1, **told)
        stray = make_run(cast.developer, below.version, attempt=1, **{**told, "parent_span": "unknown"})
    return SimpleNamespace(cast=cast, top=top, below=below, stray=stray)


def arrows_of(client: Client, run: Run) -> set[tuple[str, str]]:
    told = client.get(f"/w/acme/runs/{run.pk}/graph/data").json()
    titles = {box["id"]: box["title"].partition(",")[0] for box in told["boxes"]}
    return {(titles[arrow["source"]], titles[arrow["target"]]) for arrow in told["arrows"]}


WHOLE = {
    ("report: run", "fetch: call"), ("fetch: call", "parse: call"), ("report: run", "shout: call"),
    ("shout: call", "shout: run"), ("report: run", "shout: run"),
}  # fmt: skip


def test_calls_hang_on_their_callers_and_runs_on_the_calls_that_started_them(tree, sign_in: SignIn) -> None:
    assert arrows_of(sign_in(tree.cast.viewer), tree.top) == WHOLE


def test_a_run_below_shows_the_whole_tree_that_it_belongs_to(tree, sign_in: SignIn) -> None:
    client = sign_in(tree.cast.viewer)
    assert arrows_of(client, tree.below) == WHOLE
    assert f'data-focus="run:{tree.below.pk}"' in client.get(f"/w/acme/runs/{tree.below.pk}/graph/").content.decode()


def test_boxes_say_how_it_went_and_how_long_it_took(tree, sign_in: SignIn) -> None:
    told = sign_in(tree.cast.viewer).get(f"/w/acme/runs/{tree.top.pk}/graph/data").json()
    said = {(box["title"], box["tone"]) for box in told["boxes"]}
    assert said == {
        ("report: run, failed, 1.5 s", "bad"), ("fetch: call, failed", "bad"), ("parse: call, went well, 250 ms", "good"),
        ("shout: call, went well, 1.0 s", "good"), ("shout: run, succeeded", "good"), ("shout: run, queued", "idle"),
    }  # fmt: skip


def test_a_call_that_tells_itself_as_its_caller_hangs_on_its_run(tree, sign_in: SignIn) -> None:
    with scope(tree.cast.acme.pk):
        span(tree.stray, "9", "odd", "9")
    assert ("shout: run", "odd: call") in arrows_of(sign_in(tree.cast.viewer), tree.top)


def test_the_call_that_enters_a_runs_own_function_is_no_box_of_its_own(tree, sign_in: SignIn) -> None:
    with scope(tree.cast.acme.pk):
        span(tree.below, "1", "shout", seconds=1.0)
        span(tree.below, "2", "parse", "1", seconds=1.0)
        span(tree.below, "3", "shout", "2", seconds=1.0)
    added = {("shout: run", "parse: call"), ("parse: call", "shout: call")}
    assert arrows_of(sign_in(tree.cast.viewer), tree.top) == WHOLE | added


def test_the_panel_of_a_call_has_what_the_box_told_as_text(tree, sign_in: SignIn) -> None:
    with scope(tree.cast.acme.pk):
        Span.objects.filter(run=tree.top, attempt=2, key="2").update(arguments_preview="<b>\u202e", result_preview="[1]")
    url = f"/w/acme/runs/{tree.top.pk}/graph/node"
    panel = sign_in(tree.cast.viewer).get(url, {"key": f"call:{tree.top.pk}:2"}).content.decode()
    assert "&lt;b&gt;⟨U+202E⟩" in panel
    assert "[1]" in panel


def test_the_panel_of_a_run_leads_to_it(tree, sign_in: SignIn) -> None:
    panel = sign_in(tree.cast.viewer).get(f"/w/acme/runs/{tree.top.pk}/graph/node", {"key": f"run:{tree.below.pk}"})
    assert f'href="/w/acme/runs/{tree.below.pk}/"' in panel.content.decode()


def test_what_is_not_in_the_picture_is_not_found(tree, sign_in: SignIn) -> None:
    with scope(tree.cast.acme.pk):
        other = make_run(tree.cast.developer, tree.below.version)
    for key in (f"run:{other.pk}", "call:x:1", "nonsense"):
        assert sign_in(tree.cast.viewer).get(f"/w/acme/runs/{tree.top.pk}/graph/node", {"key": key}).status_code == 404


def test_more_than_a_picture_holds_is_cut_and_said(tree, sign_in: SignIn, monkeypatch) -> None:
    monkeypatch.setattr("apps.dashboard.run_graph.MOST_CALLS", 2)
    client = sign_in(tree.cast.viewer)
    assert len(client.get(f"/w/acme/runs/{tree.top.pk}/graph/data").json()["boxes"]) == 5
    assert "the first 300 runs and 2 calls" in client.get(f"/w/acme/runs/{tree.top.pk}/graph/").content.decode()


def test_the_picture_costs_as_many_queries_for_many_runs_as_for_few(tree, sign_in: SignIn) -> None:
    client, counts = sign_in(tree.cast.viewer), []
    for first in (0, 10):
        with scope(tree.cast.acme.pk):
            for number in range(first, first + 10):
                told = {"parent": tree.top, "root": tree.top, "depth": 1, "parent_attempt": 2, "attempt": 1}
                span(make_run(tree.cast.developer, tree.below.version, **told), f"{number}", "parse")
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/w/acme/runs/{tree.top.pk}/graph/data")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_runs_page_leads_to_its_picture(tree, sign_in: SignIn) -> None:
    assert (
        f'href="/w/acme/runs/{tree.top.pk}/graph/"'
        in sign_in(tree.cast.viewer).get(f"/w/acme/runs/{tree.top.pk}/").content.decode()
    )
