"""How runs are handled, on pages: said in the form, shown at the function, told at the run."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import Client

from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion
from apps.runs.models import Compensation, Run, StreamedItem
from tests.dashboard.conftest import make_function, make_run

SOURCE = "def fetch(city: str) -> str:\n    return city\n"
SAID = {"cache_seconds": "3600", "at_once": "2", "at_once_by": "city", "undone_by": "forget"}
HANDLING = {"cache_seconds": 3600, "at_once": 2, "at_once_by": "city", "undone_by": "forget"}


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def page_of(client: Client, run: Run) -> str:
    return page(client, f"/w/acme/runs/{run.pk}/")


def test_a_function_s_handling_is_said_in_its_form_shown_and_kept_by_the_next_form(client, cast) -> None:
    url = client.post("/w/acme/functions/new", {"source": SOURCE, **SAID}).headers["Location"]
    with scope(cast.acme.pk):
        assert FunctionVersion.objects.get().handling == HANDLING
    shown = page(client, url)
    assert "kept for 1 h" in shown
    assert "at most 2 runs for each value of" in shown
    assert "Undone by" in shown
    assert "Execute it, even if an earlier run has the answer" in shown
    form = page(client, f"{url}edit")
    assert 'value="3600"' in form.partition('name="cache_seconds"')[2][:60]
    assert 'value="forget"' in form.partition('name="undone_by"')[2][:60]


def test_a_form_that_says_nothing_shows_nothing(client, cast) -> None:
    url = client.post("/w/acme/functions/new", {"source": SOURCE}).headers["Location"]
    with scope(cast.acme.pk):
        assert FunctionVersion.objects.get().handling == {}
    shown = page(client, url)
    assert "Execute it, even if" not in shown
    assert "At once" not in shown


def test_what_cannot_be_is_told_and_the_fields_are_unfolded(client) -> None:
    refused = client.post("/w/acme/functions/new", {"source": SOURCE, "cache_seconds": "-1"})
    assert refused.status_code == 422
    assert "<details" in refused.content.decode()
    refused = client.post("/w/acme/functions/new", {"source": SOURCE, "at_once": "1", "at_once_by": "town"})
    assert refused.status_code == 422
    assert "no argument of this name" in refused.content.decode()


def test_answers_are_forgotten_with_one_click(client, cast) -> None:
    url = client.post("/w/acme/functions/new", {"source": SOURCE, **SAID}).headers["Location"]
    said = client.post(f"{url}forget-answers", follow=True).content.decode()
    assert "Its answers are forgotten" in said
    with scope(cast.acme.pk):
        assert Function.objects.get().answers_since is not None


def test_a_run_that_was_answered_names_the_run_that_gave_the_answer(client, cast) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer)
        first = make_run(cast.developer, version, state="succeeded", result=1)
        words = "Answered from an earlier run with the same arguments. Nothing was executed."
        second = make_run(
            cast.developer, version, state="succeeded", result=1, answered_from=first.pk, message=words, outcome="answered"
        )
    shown = page_of(client, second)
    assert words in shown
    assert f"/w/acme/runs/{first.pk}/" in shown


def test_a_run_that_waits_for_its_turn_says_so(client, cast) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, handling={"at_once": 1})
        make_run(cast.developer, version, state="running", slot="s", slots=1)
        waiting = make_run(cast.developer, version, slot="s", slots=1)
    assert "Waits for its turn: 1 of at most 1 runs of this function go on at once" in page_of(client, waiting)


def test_a_result_that_does_not_fit_is_kept_to_be_looked_at(client, cast) -> None:
    with scope(cast.acme.pk):
        run = make_run(
            cast.developer, make_function(cast.developer), state="failed", result=["<odd>"], message="It does not fit."
        )
    shown = page_of(client, run)
    assert "What it returned" in shown
    assert "&lt;odd&gt;" in shown


def test_items_are_shown_while_the_run_goes_on_the_last_ones_of_the_attempt_that_counts(client, cast) -> None:
    with scope(cast.acme.pk):
        run = make_run(cast.developer, make_function(cast.developer), state="running", attempt=2)
        StreamedItem.objects.create(run=run, attempt=1, number=1, value="of a former attempt")
        StreamedItem.objects.bulk_create(
            [StreamedItem(run=run, attempt=2, number=number, value=f"<item {number}>") for number in range(1, 31)]
        )
    shown = page_of(client, run)
    assert "Items so far" in shown
    assert "the last 20 of 30, begun anew by attempt 2" in shown
    assert "&lt;item 30&gt;" in shown
    assert "item 10&gt;" not in shown
    assert "of a former attempt" not in shown


def test_what_is_undone_and_what_could_not_be_is_on_the_page_of_the_chain(client, cast) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer)
        root = make_run(cast.developer, version, state="failed", message="No money.")
        done, left = (
            make_run(cast.developer, version, state="succeeded", root=root, parent=root, undone_by="forget") for _ in range(2)
        )
        undoing = make_run(cast.developer, version, state="succeeded")
        Compensation.objects.create(root=root, of=done, number=1, state="done", run=undoing)
        Compensation.objects.create(root=root, of=left, number=2, state="failed", reason="The function has gone.")
    shown = page_of(client, root)
    assert "What is undone" in shown
    assert f"/w/acme/runs/{undoing.pk}/" in shown
    assert "Not undone: The function has gone. Look at what it has done, and undo it by hand." in shown
    assert 'id="live" hx-get' not in shown
    with scope(cast.acme.pk):
        Compensation.objects.filter(of=left).update(state="running")
    assert 'id="live" hx-get' in page_of(client, root), "the page goes on to look while something is undone"
