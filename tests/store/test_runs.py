"""What runs write is kept with their success or not at all. Boxes are the fake driver's unless a test says otherwise."""

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.audit.models import AuditRecord
from apps.core import leases
from apps.core.tenancy import scope
from apps.functions.definition import Provenance, Settings
from apps.functions.models import Origin
from apps.runs import transitions, work
from apps.runs.models import Run
from apps.runs.requests import Caller
from apps.runs.services import Family, cancel_run, start_run
from apps.runs.states import RunState
from apps.store import commit, pending, requests
from apps.store.commit import StoreConflict, settle
from apps.store.models import Document, DocumentVersion, PendingWrite
from apps.store.queries import Page
from apps.store.services import find_document, write_document
from apps.vault.masking import Mask
from tests.runs.conftest import begin, change, see, write

pytestmark = pytest.mark.usefixtures("fake_boxes")
COUNT = (
    "def count(key: str = 'n') -> int:\n    n = func.store.get('notes', key, 0) + 1\n"
    "    func.store.put('notes', key, n)\n    return n\n"
)
KEEP = "def keep(key: str, value: int) -> None:\n    func.store.put('notes', key, value)\n"
KEEP_AND_FAIL = (
    "def keep_and_fail(key: str, value: int) -> None:\n    func.store.put('notes', key, value)\n    raise ValueError('no')\n"
)


@pytest.fixture
def cast(transactional_cast: SimpleNamespace, _boxes_closed: None, _all_answered: None) -> SimpleNamespace:
    """Runs are executed by other threads and connections."""
    return transactional_cast


def work_off(cast: Any, run: Run) -> Run:
    assert work.perform_next_run()
    return see(cast, run)


def pending_count(cast: Any) -> int:
    with scope(cast.acme.pk):
        return PendingWrite.objects.count()


def claimed(cast: Any, run: Run) -> Run:
    """Held by a worker of the test's own, as if its box were at work."""
    held = leases.claim(lambda: Run.objects.filter(pk=run.pk), from_state=RunState.QUEUED, to_state=RunState.RUNNING)
    assert held is not None
    return held


def noted(cast: Any, run: Run, key: str, value: Any, **more: Any) -> PendingWrite:
    with scope(cast.acme.pk):
        return pending.write(run, **{"collection": "notes", "key": key, "value": value, "seen": None, **more})


def test_what_a_run_writes_is_there_for_the_next_one(cast, stored) -> None:
    count = write(cast, COUNT)
    assert [work_off(cast, begin(cast, count)).result for _ in range(3)] == [1, 2, 3]
    assert (stored("n"), pending_count(cast)) == (3, 0)


def test_a_document_tells_which_run_wrote_it_and_what_it_was_before(cast) -> None:
    count = write(cast, COUNT)
    first, second = (work_off(cast, begin(cast, count)) for _ in range(2))
    with scope(cast.acme.pk):
        document, former = Document.objects.get(), DocumentVersion.objects.get()
        told = AuditRecord.objects.filter(action="store.kept").order_by("id").last()
    assert (document.run_id, document.version, former.run_id, former.value) == (second.pk, 2, first.pk, 1)
    assert (told.subject_id, told.details) == (str(second.pk), {"documents": 1, "collections": ["notes"]})


@pytest.mark.parametrize(
    "end", ["raise ValueError('no')", "import os\nos._exit(3)", "import time\ntime.sleep(60)"], ids=["error", "exit", "time"]
)
def test_a_run_that_does_not_succeed_leaves_nothing(cast, run_code, stored, put, end: str) -> None:
    put("old", "before")
    settings = Settings(limits={"wall_seconds": 1})
    ended = run_code(f"func.store.put('notes', 'a', 1)\nfunc.store.delete('notes', 'old')\n{end}", settings=settings)
    assert ended.state in ("failed", "timed_out")
    assert (stored("a"), stored("old"), pending_count(cast)) == (None, "before", 0)


def test_nobody_else_sees_what_a_run_has_written_before_it_ends_and_the_run_itself_does(cast, run_code, stored, put) -> None:
    put("old", "before")
    body = (
        "s = func.store\ns.put('notes', 'a', 1)\ns.put('notes', 'a', {'n': 2})\nfirst = s.get('notes', 'a')\n"
        "gone = s.delete('notes', 'old')\nagain = s.delete('notes', 'old')\n"
        "found = [d.key for d in s.query('notes')]\n"
        "s.put('notes', 'old', 'after')\n"
        "return [first, gone, again, found, s.get('notes', 'old'), s.get('notes', 'x', 'none')]"
    )
    assert run_code(body).result == [{"n": 2}, True, False, ["a"], "after", "none"]
    assert (stored("a"), stored("old")) == ({"n": 2}, "after")
    held = claimed(cast, begin(cast, write(cast, KEEP), key="b", value=1))
    noted(cast, held, "b", 1)
    assert (stored("b"), run_code("return func.store.get('notes', 'b')").result) == (None, None)


def test_a_query_goes_through_all_pages_of_kept_and_of_own_documents_in_order(run_code, put) -> None:
    for number in range(6):
        put(f"k{number}", {"n": number, "old": True})
    body = (
        "s = func.store\n"
        "for n in range(1, 12, 2):\n    s.put('notes', f'k{n:x}', {'n': n, 'old': False})\n"
        "s.delete('notes', 'k4')\n"
        "a = [d.key for d in s.query('notes')]\n"
        "b = [d.value['n'] for d in s.query('notes', {'n': {'$gte': 3}}, order='-key')]\n"
        "c = [d.key for d in s.query('notes', {'old': True})]\n"
        "d = [d.key for d in s.query('notes', order='updated_at')]\n"
        "e = [d.key for d in s.query('notes', limit=3, prefix='k')]\n"
        "return [a, b, c, sorted(d) == a and d[:2] == ['k0', 'k2'], e]"
    )
    keys = ["k0", "k1", "k2", "k3", "k5", "k7", "k9", "kb"]
    ended = run_code(body)
    assert ended.result == [keys, [11, 9, 7, 5, 3], ["k0", "k2"], True, keys[:3]], ended.error


def test_the_whole_of_a_chain_is_kept_or_nothing_of_it(cast, run_code, stored) -> None:
    write(cast, KEEP)
    calls = "\n".join(f"func.call('keep', key='step{number}', value={number})" for number in range(3))
    assert run_code(f"{calls}\nraise ValueError('the fourth')").state == "failed"
    assert (stored("step0"), pending_count(cast)) == (None, 0)
    ended = run_code(f"{calls}\nreturn func.store.get('notes', 'step2')")
    assert (ended.state, ended.result, stored("step0"), stored("step2")) == ("succeeded", 2, 0, 2)
    with scope(cast.acme.pk):
        assert {document.run_id for document in Document.objects.all()} == {ended.pk}


def test_what_a_called_run_wrote_that_failed_vanishes_though_its_caller_goes_on(cast, run_code, stored) -> None:
    write(cast, KEEP_AND_FAIL)
    body = (
        "func.store.put('notes', 'own', 1)\ntry:\n    func.call('keep_and_fail', key='theirs', value=2)\n"
        "except func.RunFailed:\n    pass\nreturn func.store.get('notes', 'theirs')"
    )
    ended = run_code(body)
    assert (ended.state, ended.result) == ("succeeded", None)
    assert (stored("own"), stored("theirs")) == (1, None)


def test_a_called_run_sees_what_its_caller_has_written(cast, run_code, stored) -> None:
    write(cast, COUNT)
    ended = run_code("func.store.put('notes', 'n', 40)\nfunc.call('count')\nreturn func.call('count')")
    assert (ended.result, stored("n")) == (42, 42)


def test_a_caller_that_has_not_seen_what_its_called_run_wrote_is_told(cast, run_code, stored) -> None:
    write(cast, COUNT)
    body = (
        "n = func.store.get('notes', 'n', 0)\nfunc.call('count')\ntry:\n    func.store.put('notes', 'n', n + 1)\n"
        "except func.StoreConflict as error:\n    func.store.put('notes', 'n', func.store.get('notes', 'n') + 1)\n"
        "    return str(error)"
    )
    ended = run_code(body)
    assert "“notes/n” was changed since this run has read it" in ended.result
    assert stored("n") == 2


def test_runs_that_a_lost_attempt_had_called_count_no_more(cast, stored) -> None:
    """They had succeeded; their caller begins anew, and calls them anew."""
    root = claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0))
    child = child_of(cast, root)
    noted(cast, child, "a", "of the first attempt")
    finish(cast, child)
    change(cast, root, lease_until=Now() - timedelta(seconds=1))
    assert work.sweep_runs() == 1
    again = claimed(cast, root)
    with scope(cast.acme.pk):
        assert pending.find_current(again, "notes", "a") is None
    noted(cast, again, "b", "of the second")
    finish(cast, again)
    assert (stored("a"), stored("b"), pending_count(cast)) == (None, "of the second", 0)


def child_of(cast: Any, parent: Run) -> Run:
    """Started by the parent's code, and held by the test."""
    with scope(cast.acme.pk):
        family = Family(parent, parent.attempt, "", parent.root or parent, parent.depth + 1)
        child = start_run(actor=cast.developer, version=parent.version, arguments={"key": "x", "value": 0}, family=family)
    return claimed(cast, child)


def finish(cast: Any, run: Run) -> None:
    with scope(cast.acme.pk):
        transitions.leave(run, to_state=RunState.SUCCEEDED, outcome="ok")


def test_who_has_lost_the_lease_writes_nothing(cast) -> None:
    lost = claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0))
    noted(cast, lost, "a", 1)
    change(cast, lost, lease_until=Now() - timedelta(seconds=1))
    assert work.sweep_runs() == 1
    with pytest.raises(leases.LeaseLost):
        noted(cast, lost, "a", 2)


def test_what_a_run_beside_has_written_is_not_seen_while_it_is_at_work(cast) -> None:
    root = claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0))
    first, second = child_of(cast, root), child_of(cast, root)
    noted(cast, first, "a", 1)
    with scope(cast.acme.pk):
        assert pending.find_current(second, "notes", "a") is None
        assert pending.find_current(root, "notes", "a") is None
    finish(cast, first)
    with scope(cast.acme.pk):
        assert pending.find_current(second, "notes", "a").value == 1
        assert pending.find_current(root, "notes", "a").value == 1


def test_two_called_runs_that_did_not_know_of_each_other_end_their_caller(cast, stored) -> None:
    root = claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0))
    first, second = child_of(cast, root), child_of(cast, root)
    for child in (first, second):
        noted(cast, child, "a", str(child.pk), seen=pending.Seen(None))
        if child is second:
            finish(cast, first)
            finish(cast, second)
    with pytest.raises(StoreConflict, match="notes/a"):
        finish(cast, root)
    assert (see(cast, root).state, stored("a")) == ("running", None)


def test_a_called_run_writes_nothing_after_the_end_of_its_root(cast) -> None:
    root = claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0))
    child = child_of(cast, root)
    finish(cast, root)
    with pytest.raises(pending.TreeOver):
        noted(cast, child, "a", 1)
    assert pending_count(cast) == 0


def test_a_cancelled_run_leaves_nothing(cast, stored) -> None:
    run = begin(cast, write(cast, KEEP), key="x", value=0)
    with scope(cast.acme.pk):
        PendingWrite.objects.create(
            root=run, root_attempt=1, run=run, attempt=1, number=1, collection="notes", key="a", value=1, is_checked=False
        )
        cancel_run(actor=cast.developer, run_id=run.pk)
    assert (see(cast, run).state, stored("a"), pending_count(cast)) == ("cancelled", None, 0)


def test_a_run_that_asks_for_much_at_once_takes_one_connection_at_a_time(cast, monkeypatch) -> None:
    """Else the slow filters of one box would take all of a worker's, and the leases of its other runs with them."""
    caller = Caller(claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0)), lambda: False)
    at_once, most, pause = [], [], threading.Event()

    def slow(*given: Any) -> Page[Any]:
        at_once.append(1)
        most.append(len(at_once))
        pause.wait(0.05)
        at_once.pop()
        return Page([], None)

    monkeypatch.setattr(pending, "find_page", slow)

    def ask() -> None:
        try:
            requests.query_documents(caller, {"collection": "notes"})
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5
    finish(cast, caller.run)
    with pytest.raises(leases.LeaseLost):
        requests.query_documents(caller, {"collection": "notes"})


def test_a_run_that_wrote_nothing_costs_its_end_one_query(cast, django_assert_num_queries) -> None:
    run = begin(cast, write(cast, KEEP), key="x", value=0)
    with scope(cast.acme.pk), django_assert_num_queries(1):
        settle(run_id=run.pk, state=RunState.SUCCEEDED)


@pytest.mark.parametrize(
    ("limit", "value", "body", "words"),
    [
        ("TREE_WRITES", 3, "for n in range(4):\n    func.store.put('notes', str(n), n)", "write to the store 3 times"),
        ("TREE_BYTES", 2000, "for n in range(4):\n    func.store.put('notes', str(n), 'x' * 600)", "may write"),
    ],
)
def test_one_run_and_what_it_calls_write_a_bounded_amount(run_code, stored, monkeypatch, limit, value, body, words) -> None:
    monkeypatch.setattr(pending, limit, value)
    ended = run_code(body)
    assert (ended.state, ended.error["type"]) == ("failed", "HostRefused")
    assert words in ended.error["message"]
    assert stored("0") is None


def test_what_an_earlier_attempt_wrote_does_not_count_against_the_next(cast, monkeypatch) -> None:
    monkeypatch.setattr(pending, "TREE_WRITES", 2)
    run = claimed(cast, begin(cast, write(cast, KEEP), key="x", value=0))
    for key in ("a", "b"):
        noted(cast, run, key, 1)
    change(cast, run, lease_until=Now() - timedelta(seconds=1))
    assert work.sweep_runs() == 1
    again = claimed(cast, run)
    for key in ("a", "b"):
        noted(cast, again, key, 1)
    with pytest.raises(pending.TooManyWrites):
        noted(cast, child_of(cast, again), "c", 1)


def test_what_takes_much_room_is_kept_a_portion_at_a_time(cast, run_code, put, stored, monkeypatch) -> None:
    """Values, and those that they replace, are never all in the worker's memory."""
    for number in range(12):
        put(f"k{number}", "before")
    monkeypatch.setattr(commit, "PORTION_BYTES", 50)
    portions = []
    before = commit.apply
    monkeypatch.setattr(
        commit, "apply", lambda changes, *rest, **more: portions.append(len(changes)) or before(changes, *rest, **more)
    )
    ended = run_code(
        "for n in range(12):\n    func.store.put('notes', f'k{n}', 'after ' + 'x' * 12)\nfunc.store.put('notes', 'big', 'x' * 60)"
    )
    assert ended.state == "succeeded", ended.error
    assert portions == [2] * 6 + [1]
    assert [stored(f"k{number}") for number in range(12)] == ["after xxxxxxxxxxxx"] * 12
    with scope(cast.acme.pk):
        assert list(DocumentVersion.objects.values_list("value", flat=True)) == ["before"] * 12


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("func.store.put('no tes', 'a', 1)", "A collection's name"),
        ("func.store.put('notes', '', 1)", "A key is a text"),
        ("func.store.put('notes', 'a', None)", "not null"),
        ("func.store.put('notes', 'a', 'x' * 300_000)", "256 KiB"),
        ("func.store.put('notes', 'a', object())", "has no JSON form"),
        (
            "func.store.put('notes', 'a', [[[[[[[[1]]]]]]]] and __import__('functools').reduce(lambda a, _: [a], range(40), 1))",
            "nested",
        ),
        ("func.store.get('notes', 7)", "A key is a text"),
        ("list(func.store.query('notes', {'$where': '1'}))", "is not known here"),
        ("list(func.store.query('notes', order='value'))", "The order is one of"),
        ("list(func.store.query('notes', prefix=7))", "visible text"),
        ("func.ask_host('store.query', collection='notes', limit='all')", "a whole number"),
        ("func.ask_host('store.query', collection='notes', after='x')", "no such page"),
        (
            "from base64 import b64encode\n"
            "func.ask_host('store.query', collection='notes', after=b64encode(b'[' * 100_000).decode())",
            "no such page",
        ),
        ("func.ask_host('store.put', collection=['notes'], key={}, value=1)", "A collection's name"),
        ("func.ask_host('store.put', collection='notes', key='a', value=1, seen='x')", "What was seen"),
        ("func.ask_host('store.put', collection='notes', key='a', value=1, seen=[1])", "What was seen"),
        ("func.ask_host('store.put', collection='notes', key='a')", "not null"),
        ("func.ask_host('store.delete')", "A collection's name"),
        ("func.ask_host('store.get', collection='notes', key='a\\n')", "A key is a text"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_to_the_code_and_writes_nothing(cast, run_code, call: str, words: str) -> None:
    ended = run_code(call)
    assert ended.state == "failed"
    assert words in ended.error["message"], ended.error
    with scope(cast.acme.pk):
        assert not Document.objects.exists()
    assert pending_count(cast) == 0


def test_dates_decimals_and_sets_are_kept_as_results_are(run_code, stored) -> None:
    body = (
        "from datetime import date\nfrom decimal import Decimal\n"
        "func.store.put('notes', 'a', {'on': date(2026, 1, 2), 'of': Decimal('1.50'), 'in': {2, 1}})"
    )
    assert run_code(body).state == "succeeded"
    assert stored("a") == {"on": "2026-01-02", "of": "1.50", "in": [1, 2]}


@pytest.mark.parametrize(
    "call", ["func.store.get('notes', 'a')", "func.store.put('notes', 'a', 2)", "func.store.delete('notes', 'a')"]
)
def test_a_task_s_own_tool_has_no_store(run_code, stored, put, call: str) -> None:
    """Nobody has voted on it, and every function of the workspace relies on what lies there."""
    put("a", 1)
    ended = run_code(call, provenance=Provenance(origin=Origin.AGENT, task_id=uuid4()))
    assert (ended.state, ended.error["type"]) == ("failed", "HostRefused")
    assert "functions of the library" in ended.error["message"]
    assert stored("a") == 1


def test_a_run_of_one_workspace_sees_and_changes_nothing_of_another(cast, run_code) -> None:
    with scope(cast.globex.pk):
        write_document(actor=cast.stranger, collection="notes", key="a", value="globex's")
    ended = run_code(
        "found = func.store.get('notes', 'a')\nfunc.store.put('notes', 'a', 'acme')\n"
        "return [found, len(list(func.store.query('notes')))]"
    )
    assert ended.result == [None, 1]
    with scope(cast.globex.pk):
        assert find_document(actor=cast.stranger, collection="notes", key="a").value == "globex's"


def test_a_secret_of_the_run_is_not_kept(run_code, monkeypatch) -> None:
    monkeypatch.setattr(work, "Mask", lambda _: Mask(["hunter2-hunter2"]))
    ended = run_code("func.store.put('notes', 'a', {'token': 'hunter2-' + 'hunter2'})")
    assert ended.error["type"] == "HostRefused"
    assert "secret" in ended.error["message"]
