"""The clocks of a run: in the queue, of an attempt, altogether. Time passes by moving deadlines, never by waiting."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.core.tenancy import scope
from apps.packages.models import PackageSet
from apps.runs import deadlines, reactions, work
from apps.runs.deadlines import BadDeadline
from apps.runs.models import Run
from apps.runs.services import start_run
from tests.runs.conftest import begin, change, see, write

SOURCE = "import time\n\ndef waits(seconds: float) -> None:\n    time.sleep(seconds)\n"
PAST = Now() - timedelta(seconds=1)


@pytest.fixture
def version(cast):
    return write(cast, SOURCE)


def start(cast, version, **clocks: float) -> Run:
    with scope(cast.acme.pk):
        return start_run(actor=cast.developer, version=version, arguments={"seconds": 30}, **clocks)


def test_a_run_has_the_installation_s_clocks_unless_its_start_says_otherwise(cast, version, settings) -> None:
    settings.RUN_QUEUE_SECONDS, settings.RUN_TOTAL_SECONDS = 60, 600
    usual, own = see(cast, start(cast, version)), see(cast, start(cast, version, queue_seconds=5, total_seconds=7))
    assert (usual.queue_time, usual.total_time) == (timedelta(seconds=60), timedelta(seconds=600))
    assert (own.total_deadline_at - own.queue_deadline_at).total_seconds() == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    "clocks", [{"queue_seconds": 0}, {"total_seconds": -1}, {"total_seconds": 1e12}, {"queue_seconds": float("nan")}]
)
def test_a_clock_that_is_none_is_refused(cast, version, clocks) -> None:
    with pytest.raises(BadDeadline):
        start(cast, version, **clocks)
    with scope(cast.acme.pk):
        assert not Run.objects.exists()


def test_a_run_that_no_worker_took_in_time_expires_and_is_not_executed(cast, version) -> None:
    run = start(cast, version, queue_seconds=90)
    change(cast, run, queue_deadline_at=PAST)
    assert not work.perform_next_run()
    assert work.sweep_runs() == 1
    ended = see(cast, run)
    assert (ended.state, ended.attempt) == ("expired", 0)
    assert ended.message == "No worker was free for it within 90 s, the longest that it may wait in the queue."


def test_the_total_time_ends_a_run_between_its_attempts(cast, version) -> None:
    run = start(cast, version, total_seconds=7200)
    change(cast, run, total_deadline_at=PAST, queue_deadline_at=PAST)
    assert work.sweep_runs() == 1
    assert (see(cast, run).state, see(cast, run).message[:26]) == ("timed_out", "Its total time of 2 h was ")


@pytest.mark.usefixtures("fake_boxes")
def test_the_total_time_ends_an_attempt_that_its_own_limit_would_let_go_on(cast, version) -> None:
    run = start(cast, version, total_seconds=5)
    change(cast, run, total_deadline_at=Now() + timedelta(seconds=1))
    assert work.perform_next_run()
    ended = see(cast, run)
    assert (ended.state, ended.outcome) == ("timed_out", "timeout")
    assert ended.message.startswith("Its total time of 5 s was over")


def test_waiting_for_people_does_not_count(cast, version) -> None:
    with scope(cast.acme.pk):
        wanted = PackageSet.objects.create(
            state="ready", environment_digest="e" * 64, requirements=[], requirements_digest="0" * 64, reason="testing"
        )
    run = begin(cast, version, seconds=0)
    change(cast, run, state="awaiting_approval", package_set=wanted, queue_deadline_at=None, total_deadline_at=None)
    assert work.sweep_runs() == 0
    with scope(cast.acme.pk):
        reactions.queue_waiting_runs(package_set_id=wanted.pk)
    queued = see(cast, run)
    assert (queued.total_deadline_at - queued.queue_deadline_at) == queued.total_time - queued.queue_time


def test_each_wait_has_its_own_time_and_all_have_one_total(cast, version) -> None:
    run = see(cast, begin(cast, version, seconds=0))
    change(cast, run, state="running", lease_until=PAST, queue_deadline_at=PAST)
    assert work.sweep_runs() == 1
    again = see(cast, run)
    assert again.state == "queued"
    assert again.queue_deadline_at > run.queue_deadline_at
    assert again.total_deadline_at == run.total_deadline_at


@pytest.mark.parametrize(("seconds", "words"), [(90, "90 s"), (120, "2 min"), (7200, "2 h"), (86400, "24 h"), (1.5, "1.5 s")])
def test_spans_of_time_read_well(seconds, words) -> None:
    assert deadlines.in_words(timedelta(seconds=seconds)) == words
