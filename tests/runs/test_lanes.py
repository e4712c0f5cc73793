"""Whose turn it is: the workspaces share the places, whatever each of them has queued."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.core.tenancy import every_workspace, scope
from apps.functions.models import Function
from apps.functions.services import create_function
from apps.runs import lanes, work
from apps.runs.lanes import Places, QueueFull
from apps.runs.models import Run
from apps.runs.services import start_run
from tests.runs.conftest import write

SOURCE = "def nothing() -> None:\n    pass\n"


@pytest.fixture
def queue(cast):
    """Queue so many runs in a workspace."""
    with scope(cast.globex.pk):
        theirs = create_function(actor=cast.stranger, source=SOURCE)
        theirs = Function.objects.select_related("active_version__function").get(pk=theirs.pk).active_version
    versions = {cast.acme.pk: (cast.developer, write(cast, SOURCE)), cast.globex.pk: (cast.stranger, theirs)}

    def put(workspace, number: int) -> list[Run]:
        actor, version = versions[workspace.pk]
        with scope(workspace.pk):
            return [start_run(actor=actor, version=version, arguments={}) for _ in range(number)]

    return put


def claimed(cast, number: int, **how: bool) -> list[str]:
    """Whose runs are begun, one after the other, when none ends."""
    names = {cast.acme.pk: "acme", cast.globex.pk: "globex"}
    runs = [lanes.claim_next(**how) for _ in range(number)]
    return [names[run.workspace_id] if run else "none" for run in runs]


def test_a_long_queue_does_not_hold_up_another_workspace(cast, queue) -> None:
    queue(cast.acme, 10)
    queue(cast.globex, 2)
    assert claimed(cast, 6) == ["acme", "globex", "acme", "globex", "acme", "acme"]


def test_within_a_workspace_the_oldest_goes_first(cast, queue) -> None:
    queued = queue(cast.acme, 3)
    assert [lanes.claim_next().pk for _ in range(3)] == [run.pk for run in queued]


def test_a_heavier_workspace_gets_more_places(cast, queue, settings) -> None:
    settings.WORKSPACE_WEIGHTS = {"acme": 2}
    queue(cast.globex, 5)
    queue(cast.acme, 5)
    assert sorted(claimed(cast, 6)) == ["acme"] * 4 + ["globex"] * 2


def test_no_more_runs_of_a_workspace_run_at_once_than_may(cast, queue, settings) -> None:
    settings.WORKSPACE_RUNNING_RUNS = 2
    queue(cast.acme, 4)
    assert claimed(cast, 3) == ["acme", "acme", "none"]
    queue(cast.globex, 1)
    assert claimed(cast, 2) == ["globex", "none"]


def test_racing_workers_do_not_go_over_the_limit(cast, queue, settings) -> None:
    settings.WORKSPACE_RUNNING_RUNS = 3
    queue(cast.acme, 12)

    def claim_all() -> None:
        try:
            while lanes.claim_next():
                pass
        finally:
            connection.close()

    threads = [threading.Thread(target=claim_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with scope(cast.acme.pk):
        assert Run.objects.filter(state="running").count() == 3


def test_the_last_place_of_a_worker_is_for_a_workspace_in_which_nothing_runs(cast, queue, settings) -> None:
    settings.CELERY_WORKER_CONCURRENCY = 4
    own = Places()
    with own.taken() as first, own.taken() as second, own.taken() as third, own.taken() as last:
        assert [first, second, third, last] == [False, False, False, True]
    queue(cast.acme, 3)
    assert claimed(cast, 1) == ["acme"]
    assert claimed(cast, 1, only_idle=True) == ["none"]
    queue(cast.globex, 1)
    assert claimed(cast, 1, only_idle=True) == ["globex"]


def test_a_small_worker_keeps_no_place_free(settings) -> None:
    settings.CELERY_WORKER_CONCURRENCY = 1
    with Places().taken() as is_last:
        assert not is_last


def test_a_run_whose_time_has_not_come_holds_up_none_behind_it(cast, queue) -> None:
    later, now = queue(cast.acme, 2)
    with scope(cast.acme.pk):
        Run.objects.filter(pk=later.pk).update(not_before=Now() + timedelta(hours=1))
    assert lanes.claim_next().pk == now.pk
    assert lanes.claim_next() is None


def test_a_full_queue_takes_no_more_and_the_other_workspace_does_not_notice(cast, queue, settings) -> None:
    settings.WORKSPACE_QUEUED_RUNS = 3
    queue(cast.acme, 3)
    with pytest.raises(QueueFull) as refusal:
        queue(cast.acme, 1)
    assert (refusal.value.status, refusal.value.details["retry_after"]) == (429, 30)
    assert "3 runs waiting" in refusal.value.message
    queue(cast.globex, 1)
    assert lanes.claim_next()
    queue(cast.acme, 1)


def test_twenty_thousand_queued_runs_are_not_looked_through_for_one_claim(cast, queue) -> None:
    """By what the database says that it reads: rows, not seconds."""
    queue(cast.acme, 1)
    later = queue(cast.globex, 1)[0]
    with every_workspace(reason="testing"), connection.cursor() as cursor:
        columns = [column.column for column in Run._meta.fields if column.column not in ("id", "idempotency_key")]
        names = ", ".join(columns)
        cursor.execute(
            f"INSERT INTO runs_run (id, {names}) SELECT gen_random_uuid(), {names} FROM runs_run, generate_series(1, 20000) "
            "WHERE id <> %s",
            [later.pk],
        )
        cursor.execute("UPDATE runs_run SET created_at = now() + interval '1 minute' WHERE id = %s", [later.pk])
        cursor.execute("ANALYZE runs_run")
    with every_workspace(reason="testing"):
        before = rows_read()
        lanes._lanes(only_idle=False)
        run = lanes.claimable(lanes._next_of(cast.acme.pk)).select_for_update(skip_locked=True, of=("self",)).first()
        theirs = lanes.claimable(lanes._next_of(cast.globex.pk)).select_for_update(skip_locked=True, of=("self",)).first()
        assert rows_read() - before < 50
    assert run is not None
    assert theirs == later
    assert work.count_due_runs() == 8


def rows_read() -> int:
    """How many rows of runs this connection has read and not reported yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'runs_run'")
        return int(cursor.fetchone()[0])
