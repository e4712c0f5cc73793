"""Starting, cancelling, waiting for packages, and what a vanished worker leaves; no box is needed for these."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.core import leases
from apps.core.blobs import BlobTooLarge
from apps.core.events import emit
from apps.core.tenancy import scope
from apps.functions.arguments import ArgumentsInvalid
from apps.functions.definition import Settings
from apps.functions.limits import LIMITS, LimitAboveMaximum, set_maxima
from apps.packages.models import PackageSet
from apps.runs import work
from apps.runs.models import Artifact, Attempt, LogChunk, Run
from apps.runs.recorder import Recorder
from apps.runs.services import (
    AlreadyFinished,
    BadFileName,
    KeyReused,
    NoSuchRun,
    cancel_run,
    checked_file_name,
    find_run,
    start_run,
    store_upload,
)
from apps.runs.work import perform_next_run, sweep_runs
from apps.workspaces.services import PermissionMissing
from sandbox import Output, OutputCut, SandboxUnavailable
from tests.runs.conftest import begin, change, see, write

SOURCE = "def double(n: int) -> int:\n    return 2 * n\n"


@pytest.fixture
def version(cast):
    return write(cast, SOURCE)


def reread(cast, run: Run) -> Run:
    with scope(cast.acme.pk):
        return find_run(run.pk)


def claim() -> Run:
    return leases.claim(lambda: Run.objects.order_by("id"), from_state="queued", to_state="running")


def lose(cast, run: Run) -> None:
    """The worker that holds the run vanishes, and the sweeper finds out."""
    with scope(cast.acme.pk):
        Attempt.objects.get_or_create(run=run, number=run.attempt, defaults={"worker": "gone"})
        Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert sweep_runs() == 1


def test_a_run_freezes_the_closure_that_it_will_use(cast, version) -> None:
    run = begin(cast, version, n=2)
    assert run.state == "queued"
    assert run.closure == [{"name": "double", "version": str(version.pk), "digest": version.digest}]


def test_arguments_that_break_the_schema_store_nothing(cast, version) -> None:
    with pytest.raises(ArgumentsInvalid):
        begin(cast, version, n="two")
    with scope(cast.acme.pk):
        assert not Run.objects.exists()


def test_a_viewer_cannot_run(cast, version) -> None:
    with scope(cast.acme.pk), pytest.raises(PermissionMissing):
        start_run(actor=cast.viewer, version=version, arguments={"n": 1})


def test_an_idempotency_key_gives_the_first_run_again_and_refuses_another_request(cast, version) -> None:
    with scope(cast.acme.pk):
        first = start_run(actor=cast.developer, version=version, arguments={"n": 1}, idempotency_key="k")
        again = start_run(actor=cast.developer, version=version, arguments={"n": 1}, idempotency_key="k")
        assert again.pk == first.pk
        with pytest.raises(KeyReused):
            start_run(actor=cast.developer, version=version, arguments={"n": 2}, idempotency_key="k")
        other = start_run(actor=cast.owner, version=version, arguments={"n": 2}, idempotency_key="k")
        assert other.pk != first.pk


def test_a_queued_run_is_cancelled_at_once_and_a_finished_one_is_not(cast, version) -> None:
    run = begin(cast, version, n=1)
    with scope(cast.acme.pk):
        cancel_run(actor=cast.developer, run_id=run.pk)
        assert find_run(run.pk).state == "cancelled"
        with pytest.raises(AlreadyFinished):
            cancel_run(actor=cast.developer, run_id=run.pk)
    assert not perform_next_run()


def test_a_stranger_finds_no_run(cast, version) -> None:
    run = begin(cast, version, n=1)
    with scope(cast.globex.pk), pytest.raises(NoSuchRun):
        cancel_run(actor=cast.stranger, run_id=run.pk)


def test_a_lost_run_is_queued_again_three_times_at_most(cast, version) -> None:
    run = begin(cast, version, n=1)
    for attempt in (1, 2):
        held = claim()
        assert held.attempt == attempt
        lose(cast, held)
        assert reread(cast, run).state == "queued"
    lose(cast, claim())
    ended = reread(cast, run)
    assert (ended.state, ended.losses) == ("lost", 3)
    with scope(cast.acme.pk):
        assert list(ended.attempts.order_by("number").values_list("outcome", flat=True)) == ["lost"] * 3


def test_a_run_that_must_not_be_repeated_is_lost_at_once(cast, version) -> None:
    with scope(cast.acme.pk):
        run = begin(cast, version, n=1)
        Run.objects.filter(pk=run.pk).update(retry_class="never")
    lose(cast, claim())
    assert reread(cast, run).state == "lost"


def test_a_lost_run_that_somebody_wanted_cancelled_is_cancelled(cast, version) -> None:
    run = begin(cast, version, n=1)
    held = claim()
    with scope(cast.acme.pk):
        cancel_run(actor=cast.developer, run_id=run.pk)
    lose(cast, held)
    assert reread(cast, run).state == "cancelled"


def test_a_source_that_was_changed_in_the_database_is_not_executed(cast, version) -> None:
    run = begin(cast, version, n=1)
    with scope(cast.acme.pk), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE functions_functionversion DISABLE TRIGGER USER")
        cursor.execute("UPDATE functions_functionversion SET source = 'def double(n): return 666' WHERE id = %s", [version.pk])
        cursor.execute("ALTER TABLE functions_functionversion ENABLE TRIGGER USER")
    assert perform_next_run()
    ended = reread(cast, run)
    assert (ended.state, ended.outcome) == ("failed", "digest")
    assert "not what it was" in ended.message


def test_a_zombie_s_output_is_not_stored(cast, version) -> None:
    begin(cast, version, n=1)
    zombie = claim()
    lose(cast, zombie)
    recorder = Recorder(zombie)
    recorder.hear(Output("stdout", b"from the grave\n"))
    with pytest.raises(leases.LeaseLost):
        recorder.close()
    with scope(cast.acme.pk):
        assert not LogChunk.objects.exists()


def test_output_over_the_limit_leaves_one_line_of_the_platforms(cast, version) -> None:
    run = begin(cast, version, n=1)
    recorder = Recorder(claim())
    recorder.hear(Output("stdout", b"as far as this"))
    recorder.hear(OutputCut(1 << 20))
    recorder.close()
    with scope(cast.acme.pk):
        stored = list(LogChunk.objects.filter(run=run).order_by("seq").values_list("stream", "text"))
    assert stored == [("stdout", "as far as this"), ("system", "… output over the limit of 1 MiB is not kept\n")]


def test_a_run_has_every_limit_on_it_and_keeps_them_when_the_workspaces_change(cast, version) -> None:
    run = begin(cast, version, n=1)
    with scope(cast.acme.pk):
        set_maxima(actor=cast.owner, amounts={"wall_seconds": 10})
        assert find_run(run.pk).limits["wall_seconds"] == 30
        assert begin(cast, version, n=2).limits["wall_seconds"] == 10
    assert set(run.limits) == set(LIMITS)


def test_a_key_gives_its_run_again_also_when_a_new_one_would_be_refused(cast) -> None:
    version = write(cast, SOURCE, settings=Settings(limits={"wall_seconds": 60}))
    with scope(cast.acme.pk):
        first = start_run(actor=cast.developer, version=version, arguments={"n": 1}, idempotency_key="k")
        set_maxima(actor=cast.owner, amounts={"wall_seconds": 10})
        with pytest.raises(LimitAboveMaximum):
            start_run(actor=cast.developer, version=version, arguments={"n": 1})
        assert start_run(actor=cast.developer, version=version, arguments={"n": 1}, idempotency_key="k").pk == first.pk


def test_log_numbers_go_on_through_attempts(cast, version) -> None:
    run = begin(cast, version, n=1)
    for text in (b"first\n", b"second\n"):
        held = claim()
        recorder = Recorder(held)
        recorder.hear(Output("stdout", text))
        recorder.close()
        lose(cast, held)
    with scope(cast.acme.pk):
        stored = list(LogChunk.objects.filter(run=run).order_by("seq").values_list("seq", "attempt", "text"))
    assert stored == [(1, 1, "first\n"), (2, 2, "second\n")]


@pytest.mark.parametrize(
    ("event", "fields", "state"),
    [
        ("packages.ready", {"state": "ready", "environment_digest": "e" * 64}, "queued"),
        ("packages.refused", {}, "refused"),
        ("packages.failed", {}, "failed"),
    ],
)
def test_a_run_that_waits_for_packages_goes_where_their_decision_sends_it(cast, version, event, fields, state) -> None:
    with scope(cast.acme.pk):
        package_set = PackageSet.objects.create(
            state="awaiting_approval", requirements=["x"], requirements_digest="0" * 64, reason="testing"
        )
        run = begin(cast, version, n=1)
        Run.objects.filter(pk=run.pk).update(state="awaiting_approval", package_set=package_set)
        PackageSet.objects.filter(pk=package_set.pk).update(**fields)
        emit(event, package_set_id=package_set.pk, reason="because", task_id=None)
    ended = reread(cast, run)
    assert ended.state == state
    assert ended.environment_digest == fields.get("environment_digest", "")
    assert state == "queued" or "because" in ended.message


def test_an_upload_over_the_limit_stores_nothing(cast, settings) -> None:
    settings.UPLOAD_MAX_BYTES = 10
    with scope(cast.acme.pk):
        with pytest.raises(BlobTooLarge):
            store_upload(actor=cast.developer, name="big.txt", chunks=[b"12345", b"678901"])
        assert not Artifact.objects.exists()
    assert not [path for path in (settings.HOME / "blobs" / cast.acme.pk.hex).rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["", "..", "a\nb", "x" * 201, "/", "nul\x00"])
def test_what_is_no_plain_file_name_is_refused(name) -> None:
    with pytest.raises(BadFileName):
        checked_file_name(name)


def test_folders_in_a_file_s_name_are_dropped() -> None:
    assert checked_file_name("../../etc/passwd") == "passwd"
    assert checked_file_name("C:\\files\\data.csv") == "data.csv"


def test_a_run_that_was_cancelled_while_no_box_could_be_had_is_not_queued_again(cast, version, monkeypatch) -> None:
    run = begin(cast, version, n=1)

    class Away:
        def take(self, **_: object) -> None:
            change(cast, run, cancel_requested_at=Now())
            raise SandboxUnavailable("Docker does not answer.")

    monkeypatch.setattr(work.boxes, "pool", Away)
    assert perform_next_run()
    assert see(cast, run).state == "cancelled"
    assert not perform_next_run()
