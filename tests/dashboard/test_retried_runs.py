"""What pages tell of attempts, clocks, the runs that a run started, and of a queue that takes no more."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db.models.functions import Now
from django.test import Client

from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.runs.models import Attempt, Run, Span
from tests.dashboard.conftest import make_function, make_run

ON_ERROR = {"retry_class": "on_error", "max_attempts": "4", "backoff_seconds": "", "backoff_cap_seconds": ""}


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


@pytest.fixture
def run(cast: SimpleNamespace) -> Run:
    with scope(cast.acme.pk):
        return make_run(cast.developer, make_function(cast.developer))


def page_of(client: Client, run: Run) -> str:
    response = client.get(f"/w/acme/runs/{run.pk}/")
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_an_attempt_that_is_followed_by_another_says_why_and_when(client, cast, run) -> None:
    with scope(cast.acme.pk):
        Attempt.objects.create(
            run=run,
            number=1,
            worker="w",
            outcome="error",
            error={"type": "ValueError", "message": "<b>odd</b>"},
            sequel="Error 1 of at most 3: tried again after 4.0 s, drawn from 0 to 5 s.",
            next_at=Now() + timedelta(seconds=4),
        )
    page = page_of(client, run)
    assert "ValueError: &lt;b&gt;odd" in page
    assert "Error 1 of at most 3: tried again after 4.0 s" in page
    assert "Not before" in page
    assert "Waits for its next attempt" in page


def test_the_clocks_of_a_run_that_waits_are_shown(client, cast, run) -> None:
    assert "Waits until" not in page_of(client, run)
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(
            queue_deadline_at=Now() + timedelta(hours=1), total_deadline_at=Now() + timedelta(days=1)
        )
    page = page_of(client, run)
    assert "Waits until" in page
    assert "Ends by" in page
    assert "all attempts included" in page


def test_a_caller_and_the_runs_that_it_started_lead_to_each_other(client, cast, run) -> None:
    assert "Runs it started" not in page_of(client, run)
    with scope(cast.acme.pk):
        family = {"parent": run, "parent_attempt": 1, "parent_span": "a-2", "root": run, "depth": 1}
        child = make_run(cast.developer, run.version, **family)
        Span.objects.create(run=run, attempt=1, key="a-2", function_name="shout")
    page = page_of(client, run)
    assert "Runs it started" in page
    assert page.count(f"/w/acme/runs/{child.pk}/") >= 2  # in the list, and beside the call
    assert f"its run {child.short_id}" in page
    assert f'called by <a href="/w/acme/runs/{run.pk}/">' in page_of(client, child)


def test_a_form_says_when_a_run_is_tried_again_and_the_function_s_page_tells(client, cast, run) -> None:
    url = f"/w/acme/functions/{run.function_id}"
    with scope(cast.acme.pk):
        source = Function.objects.select_related("active_version").get(pk=run.function_id).active_version.source
    response = client.post(f"{url}/edit", {"source": source, "description": "", "tags": "", **ON_ERROR})
    assert response.status_code == 302, response.content.decode()
    with scope(cast.acme.pk):
        version = Function.objects.select_related("active_version").get(pk=run.function_id).active_version
    assert (version.retry_class, version.retry) == ("on_error", {"max_attempts": 4})
    page = " ".join(client.get(f"{url}/").content.decode().split())
    assert "after an error of its own: at most 4 attempts" in page
    form = client.get(f"{url}/edit").content.decode()
    assert '<option value="on_error" selected>' in form
    assert 'name="max_attempts" value="4"' in form


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_attempts": "99"}, "max_attempts must be a whole number from 2 to 10"),
        ({"retry_class": "never"}, "only for a function that is tried again after an error"),
        ({"retry_class": "sometimes"}, "sometimes is not one of the available choices"),
        ({"max_attempts": "many"}, "Enter a whole number"),
    ],
)
def test_what_makes_no_sense_is_told_beside_the_form_and_saves_nothing(client, cast, run, given, words) -> None:
    with scope(cast.acme.pk):
        before = Function.objects.get(pk=run.function_id).active_version_id
    form = {"source": "def other() -> int:\n    return 1\n", "name": "other", **ON_ERROR, **given}
    response = client.post("/w/acme/functions/new", form)
    assert response.status_code == 422
    assert words in response.content.decode()
    with scope(cast.acme.pk):
        assert Function.objects.count() == 1
        assert Function.objects.get(pk=run.function_id).active_version_id == before


def test_a_full_queue_is_told_on_the_function_s_page_and_on_the_health_page(client, cast, run, settings) -> None:
    settings.WORKSPACE_QUEUED_RUNS = 1
    response = client.post(f"/w/acme/functions/{run.function_id}/run", {"version": str(run.version_id), "argument-text": "hello"})
    assert response.status_code == 429
    assert "has 1 runs waiting, as many as it may" in response.content.decode()
    health = client.get("/w/acme/health/").content.decode()
    assert "1 of 1 may wait" in health
    assert "No further run is taken" in health
