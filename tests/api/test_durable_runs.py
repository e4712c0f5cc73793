"""Clocks, retries, full queues and the family of a run, as a program sees them."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from apps.core.tenancy import scope
from apps.functions.services import create_function, find_function
from apps.runs.models import Attempt, Run

SOURCE = "def shout(text: str) -> str:\n    return text.upper()\n"
BODY = {"arguments": {"text": "hello"}}
RUNS = "/functions/shout/runs"


@pytest.fixture
def cast(transactional_cast: SimpleNamespace) -> SimpleNamespace:
    with scope(transactional_cast.acme.pk):
        create_function(actor=transactional_cast.developer, source=SOURCE)
    return transactional_cast


def test_a_start_may_set_the_clocks_of_its_run(caller) -> None:
    run = caller.get(f"/runs/{caller.post(RUNS, {**BODY, 'queue_seconds': 60, 'total_seconds': 90}).json()['id']}").json()
    queue, total = (datetime.fromisoformat(run[name]) for name in ("queue_deadline_at", "total_deadline_at"))
    assert (total - queue).total_seconds() == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize("clock", [{"queue_seconds": 0}, {"total_seconds": 1e99}])
def test_a_clock_that_is_none_starts_nothing(caller, cast, clock) -> None:
    response = caller.post(RUNS, {**BODY, **clock})
    assert (response.status_code, response.json()["code"]) == (422, "bad_deadline")
    with scope(cast.acme.pk):
        assert not Run.objects.exists()


def test_a_full_queue_answers_429_and_says_when_to_come_again(caller, settings) -> None:
    settings.WORKSPACE_QUEUED_RUNS = 1
    key = {"Idempotency_Key": "first"}
    assert caller.post(RUNS, BODY, **key).status_code == 202
    response = caller.post(RUNS, BODY)
    assert (response.status_code, response.json()["code"]) == (429, "queue_full")
    assert int(response.headers["Retry-After"]) > 0
    assert caller.post(RUNS, BODY, **key).status_code == 202  # the run that stands is given all the same


def test_a_key_means_the_same_run_when_the_function_has_a_new_version(caller) -> None:
    key = {"Idempotency_Key": "one-and-only"}
    first = caller.post(RUNS, BODY, **key).json()["id"]
    assert caller.post("/functions/shout/versions", {"source": SOURCE.replace("upper", "lower")}).status_code == 201
    assert caller.post(RUNS, BODY, **key).json()["id"] == first


def test_a_version_says_when_it_is_tried_again_and_the_next_keeps_it(caller) -> None:
    settings = {"retry_class": "on_error", "retry": {"max_attempts": 3}}
    made = caller.post("/functions/shout/versions", {"source": SOURCE, **settings}).json()
    assert (made["retry_class"], made["retry"]) == ("on_error", {"max_attempts": 3})
    kept = caller.post("/functions/shout/versions", {"source": SOURCE.replace("upper", "lower")}).json()
    assert (kept["version"], kept["retry_class"], kept["retry"]) == (3, "on_error", {"max_attempts": 3})
    refused = caller.post("/functions/shout/versions", {"source": SOURCE, "retry_class": "never", "retry": {"max_attempts": 3}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_retry")


def test_a_run_shows_its_attempts_its_caller_and_what_it_started(caller, cast) -> None:
    run_id = caller.post(RUNS, BODY).json()["id"]
    with scope(cast.acme.pk):
        run = Run.objects.get(pk=run_id)
        Attempt.objects.create(run=run, number=1, worker="w", outcome="lost", sequel="Loss 1 of at most 3: tried again at once.")
        version = find_function(actor=cast.developer, name="shout").active_version
        child = Run.objects.create(
            state="queued", function=version.function, version=version, parent=run, parent_attempt=1, root=run, depth=1
        )
    shown = caller.get(f"/runs/{run_id}").json()
    assert shown["attempts"][0]["sequel"] == "Loss 1 of at most 3: tried again at once."
    assert shown["children"] == [{"id": str(child.pk), "function": "shout", "state": "queued", "attempt": 1}]
    assert (shown["parent"], shown["depth"]) == (None, 0)
    below = caller.get(f"/runs/{child.pk}").json()
    assert (below["parent"], below["root"], below["depth"]) == (run_id, run_id, 1)
