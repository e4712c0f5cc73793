"""The chain of events, rules and runs that a run stands in, drawn with what was refused in it."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import scope
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.triggers.events import Chain, record_event
from apps.triggers.models import Delivery, Event, Rule
from apps.triggers.states import DeliveryState
from tests.dashboard.conftest import make_event, make_function, make_rule, make_run

type SignIn = Callable[..., Client]
REASON = "This rule has started 60 runs in a minute."


@pytest.fixture
def chain(cast: SimpleNamespace) -> SimpleNamespace:
    """order.paid → Shout it → shout, whose success a second rule takes on to whisper, and a third is refused."""
    with scope(cast.acme.pk):
        shout, whisper = make_function(cast.developer), make_function(cast.developer, "whisper")
        first = make_rule(cast.developer, shout.function)
        begun = make_event()
        top = make_run(cast.developer, shout, state=RunState.SUCCEEDED)
        Delivery.objects.filter(event=begun).update(state=DeliveryState.STARTED, run=top)
        second = make_rule(cast.developer, whisper.function, "Whisper it", event_type="run.succeeded")
        third = make_rule(cast.developer, whisper.function, "Whisper on", event_type="run.succeeded")
        told = record_event(
            type="run.succeeded", source="/runs", data={}, run=top, function=shout.function, chain=Chain(begun.pk, 1)
        )
        low = make_run(cast.developer, whisper, state=RunState.FAILED)
        Delivery.objects.filter(rule=second).update(state=DeliveryState.STARTED, run=low)
        Delivery.objects.filter(rule=third).update(
            state=DeliveryState.REFUSED, reason="This rule has started 60 runs in a minute."
        )
        return SimpleNamespace(
            cast=cast, top=top, low=low, begun=begun, told=told, first=first, second=second, third=third, whisper=whisper
        )


def data_of(client: Client, run: Run) -> dict:
    return client.get(f"/w/acme/runs/{run.pk}/chain/data").json()


def arrows_of(client: Client, run: Run) -> set[tuple[str, str]]:
    told = data_of(client, run)
    words = {box["id"]: box["words"] for box in told["boxes"]}
    return {(words[arrow["source"]], words[arrow["target"]]) for arrow in told["arrows"]}


WHOLE = {
    ("order.paid", "Shout it"), ("Shout it", "shout"), ("shout", "run.succeeded"),
    ("run.succeeded", "Whisper it"), ("Whisper it", "whisper"), ("run.succeeded", "Whisper on"),
}  # fmt: skip


def test_it_leads_from_event_to_rule_to_run_to_event_wherever_one_looks_from(chain: SimpleNamespace, sign_in: SignIn) -> None:
    client = sign_in(chain.cast.viewer)
    assert arrows_of(client, chain.top) == WHOLE
    assert arrows_of(client, chain.low) == WHOLE


def test_what_was_refused_is_marked_in_the_picture_and_said_on_the_page(chain: SimpleNamespace, sign_in: SignIn) -> None:
    client = sign_in(chain.cast.viewer)
    told = data_of(client, chain.top)
    [refused] = [box for box in told["boxes"] if box["words"] == "Whisper on"]
    assert refused["tone"] == "bad"
    assert refused["title"] == "Whisper on: rule, refused. This rule has started 60 runs in a minute."
    assert [arrow["isBroken"] for arrow in told["arrows"] if arrow["target"] == refused["id"]] == [True]
    page = client.get(f"/w/acme/runs/{chain.low.pk}/").content.decode()
    assert "It did not go on everywhere." in page
    assert "This rule has started 60 runs in a minute." in page.partition("It did not go on everywhere.")[2]
    assert f'data-focus="run:{chain.low.pk}"' in page


def test_a_run_that_told_an_event_with_which_a_chain_began_shows_that_chain(chain: SimpleNamespace, sign_in: SignIn) -> None:
    with scope(chain.cast.acme.pk):
        alone = make_run(chain.cast.developer, chain.whisper, state=RunState.SUCCEEDED)
        record_event(type="run.succeeded", source="/runs", data={}, run=alone, function=chain.whisper.function)
    found = arrows_of(sign_in(chain.cast.viewer), alone)
    assert found == {("whisper", "run.succeeded"), ("run.succeeded", "Whisper it"), ("run.succeeded", "Whisper on")}


def test_a_run_below_another_one_stands_in_the_chain_of_its_family(chain: SimpleNamespace, sign_in: SignIn) -> None:
    with scope(chain.cast.acme.pk):
        child = make_run(chain.cast.developer, chain.whisper, parent=chain.top, root=chain.top, depth=1, parent_attempt=1)
    assert arrows_of(sign_in(chain.cast.viewer), child) == WHOLE | {("shout", "whisper")}


def test_without_a_rule_no_chain_is_drawn(cast: SimpleNamespace, sign_in: SignIn) -> None:
    with scope(cast.acme.pk):
        run = make_run(cast.developer, make_function(cast.developer), state=RunState.SUCCEEDED)
        record_event(type="run.succeeded", source="/runs", data={}, run=run)
    page = sign_in(cast.viewer).get(f"/w/acme/runs/{run.pk}/").content.decode()
    assert "Chain of rules" not in page
    assert "cytoscape" not in page


@pytest.mark.parametrize("name", ["begun", "told", "top", "low", "third"])
def test_the_panel_tells_of_each_kind_of_box(chain: SimpleNamespace, sign_in: SignIn, name: str) -> None:
    row = getattr(chain, name)
    with scope(chain.cast.acme.pk):
        kinds = {Run: lambda: f"run:{row.pk}", Event: lambda: f"event:{row.pk}"}
        key = kinds[type(row)]() if type(row) in kinds else f"rule:{Delivery.objects.get(rule=row).pk}"
    panel = sign_in(chain.cast.viewer).get(f"/w/acme/runs/{chain.top.pk}/chain/node", {"key": key}).content.decode()
    noun = {Run: "runs", Event: "events", Rule: "rules"}[type(row)]
    assert f'href="/w/acme/{noun}/{row.pk}/"' in panel


def test_what_is_not_in_the_chain_is_not_found(chain: SimpleNamespace, sign_in: SignIn) -> None:
    with scope(chain.cast.acme.pk):
        other = make_run(chain.cast.developer, chain.whisper)
    url = f"/w/acme/runs/{chain.top.pk}/chain/node"
    assert sign_in(chain.cast.viewer).get(url, {"key": f"run:{other.pk}"}).status_code == 404


def test_more_than_a_picture_holds_is_cut_and_said(chain: SimpleNamespace, sign_in: SignIn, monkeypatch) -> None:
    monkeypatch.setattr("apps.dashboard.run_chain.MOST_DELIVERIES", 2)
    monkeypatch.setattr("apps.dashboard.runs.MOST_DELIVERIES", 2)
    page = sign_in(chain.cast.viewer).get(f"/w/acme/runs/{chain.top.pk}/").content.decode()
    assert "what rules did the first 2 times is shown" in page


def test_a_chain_costs_as_many_queries_when_it_is_long(chain: SimpleNamespace, sign_in: SignIn) -> None:
    client, counts = sign_in(chain.cast.viewer), []
    for first in (0, 10):
        with scope(chain.cast.acme.pk):
            for number in range(first, first + 10):
                make_rule(chain.cast.developer, chain.whisper.function, f"Rule {number}", event_type=f"order.of{number}")
                told = make_event(type=f"order.of{number}", run=chain.low, chain=Chain(chain.begun.pk, 2))
                run = make_run(chain.cast.developer, chain.whisper)
                Delivery.objects.filter(event=told).update(state=DeliveryState.STARTED, run=run)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/w/acme/runs/{chain.top.pk}/chain/data")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_file_says_the_same(chain: SimpleNamespace, sign_in: SignIn) -> None:
    answer = sign_in(chain.cast.viewer).get(f"/w/acme/runs/{chain.top.pk}/chain/export.svg")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="chain-{chain.top.short_id}.svg"'
    assert "Whisper on: rule, refused" in answer.content.decode()
