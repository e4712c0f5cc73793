"""Two who write one document at once: of runs one is kept, and the other is told. Boxes are the fake driver's."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import RetryClass
from apps.runs import work
from apps.runs.models import Artifact, Run
from apps.store import pending
from apps.store.commit import StoreConflict
from apps.store.models import Document
from tests.runs.conftest import begin, change, write
from tests.store.test_runs import COUNT, KEEP, claimed, finish, noted, pending_count, work_off

pytestmark = pytest.mark.usefixtures("fake_boxes")


@pytest.fixture
def cast(transactional_cast: SimpleNamespace, _boxes_closed: None, _all_answered: None) -> SimpleNamespace:
    """Runs are executed by other threads and connections."""
    return transactional_cast


def overtake(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Somebody else acts once, between the next run's last word and its end."""
    before = work._finish

    def overtaken(*given: Any) -> None:
        monkeypatch.setattr(work, "_finish", before)
        act()
        before(*given)

    monkeypatch.setattr(work, "_finish", overtaken)


def test_a_document_that_was_changed_after_the_run_read_it_ends_the_run_and_says_so(cast, stored, put, monkeypatch) -> None:
    put("n", 1)
    overtake(monkeypatch, lambda: put("n", 100))
    ended = work_off(cast, begin(cast, write(cast, COUNT)))
    assert (ended.state, ended.outcome, ended.result) == ("failed", "error", None)
    assert ended.error["type"] == "StoreConflict"
    assert "changed “notes/n” after this run had read it" in ended.message
    assert (stored("n"), pending_count(cast)) == (100, 0)
    with scope(cast.acme.pk):
        assert not AuditRecord.objects.filter(action="run.succeeded").exists()
        assert AuditRecord.objects.filter(action="run.failed").count() == 1


def test_files_of_a_run_that_ends_by_a_conflict_are_kept_once(cast, run_code, put, monkeypatch) -> None:
    put("n", 1)
    overtake(monkeypatch, lambda: put("n", 100))
    ended = run_code("func.save_artifact('a.txt', 'x')\nfunc.store.put('notes', 'n', func.store.get('notes', 'n') + 1)")
    assert ended.error["type"] == "StoreConflict"
    with scope(cast.acme.pk):
        assert [file.name for file in Artifact.objects.filter(run=ended)] == ["a.txt"]


def test_a_conflict_is_tried_again_by_its_retry_class(cast, stored, put, monkeypatch) -> None:
    put("n", 1)
    retried = Settings(retry_class=RetryClass.ON_ERROR, retry={"max_attempts": 3, "backoff_seconds": 1, "backoff_cap_seconds": 1})
    overtake(monkeypatch, lambda: put("n", 100))
    run = begin(cast, write(cast, COUNT, settings=retried))
    assert work_off(cast, run).state == "queued"
    change(cast, run, not_before=Now())
    ended = work_off(cast, run)
    assert (ended.state, ended.result, stored("n")) == ("succeeded", 101, 101)
    with scope(cast.acme.pk):
        assert ended.attempts.get(number=1).error["type"] == "StoreConflict"


def test_a_document_that_the_run_has_not_read_is_written_whatever_it_is(cast, stored, put) -> None:
    held = claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0))
    noted(cast, held, "a", "mine")
    put("a", "theirs")
    finish(cast, held)
    assert stored("a") == "mine"


def test_of_two_runs_that_count_at_once_one_is_kept_and_the_other_ends_and_says_so(cast, stored) -> None:
    """Both have read the same; whichever ends second must not overwrite what the first has kept."""
    count = write(cast, COUNT)
    runs = [claimed(cast, begin(cast, count)) for _ in range(2)]
    for run in runs:
        noted(cast, run, "n", 1, seen=pending.Seen(None))
    barrier, ends = threading.Barrier(2), {}

    def end(run: Run) -> None:
        try:
            barrier.wait()
            finish(cast, run)
            ends[run.pk] = "kept"
        except StoreConflict as error:
            ends[run.pk] = error.code
        finally:
            connection.close()

    threads = [threading.Thread(target=end, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends.values()) == ["kept", "store_conflict"]
    assert stored("n") == 1
    with scope(cast.acme.pk):
        assert Document.objects.get().version == 1
        assert Run.objects.filter(state="succeeded").count() == 1


def test_nothing_is_lost_when_many_count_at_once(cast, stored) -> None:
    """Every success has added one, whatever the others did meanwhile."""
    count, successes = write(cast, COUNT), []
    for _ in range(8):
        begin(cast, count)

    def worker() -> None:
        try:
            while work.perform_next_run():
                pass
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with scope(cast.acme.pk):
        successes = list(Run.objects.filter(state="succeeded").values_list("result", flat=True))
        others = set(Run.objects.exclude(state="succeeded").values_list("error__type", flat=True))
    assert sorted(successes) == list(range(1, len(successes) + 1))
    assert stored("n") == len(successes)
    assert others <= {"StoreConflict"}
