"""What succeeded in a chain that did not is undone: the last first, each once, whatever dies; what cannot be undone is told."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditRecord
from apps.core.tenancy import scope
from apps.functions.archive import archive_function
from apps.functions.definition import Settings
from apps.functions.handling import InvalidHandling
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import save_version
from apps.runs import lanes, transitions
from apps.runs.compensation import follow_end
from apps.runs.models import Compensation, Run
from apps.runs.services import Family, cancel_run, start_run
from apps.runs.work import perform_next_run, sweep_runs
from apps.workspaces.models import Membership
from tests.runs.conftest import begin, see, write

pytestmark = pytest.mark.usefixtures("fake_boxes")
ORDER = "def order(n: int) -> dict:\n    return {'id': n * 10}\n"
UNDO = "def cancel_order(arguments: dict, result: dict) -> list:\n    return [arguments['n'], result['id']]\n"
SHOP = (
    "import func\n\ndef shop(orders: int, fails: bool) -> int:\n    for n in range(orders):\n"
    "        func.call('order', n=n + 1)\n"
    "    if fails:\n        raise ValueError('no money')\n    return orders\n"
)
UNDOABLE = Settings(handling={"undone_by": "cancel_order"})


@pytest.fixture
def shop(cast) -> FunctionVersion:
    write(cast, ORDER, settings=UNDOABLE)
    write(cast, UNDO)
    return write(cast, SHOP)


def work_off() -> int:
    done = 0
    while perform_next_run():
        done += 1
    return done


def undone(cast, run: Run) -> list[tuple[int, str, object]]:
    """What was undone in its order: the number of the order, the state, and what the undoing run gave."""
    with scope(cast.acme.pk):
        rows = Compensation.objects.filter(root=run).select_related("of", "run").order_by("number")
        return [(row.of.arguments["n"], row.state, row.run.result if row.run else None) for row in rows]


def test_what_succeeded_is_undone_in_reverse_order_with_its_arguments_and_result(cast, shop) -> None:
    run = begin(cast, shop, orders=3, fails=True)
    assert work_off() == 4, "the chain, and three that undo"
    assert see(cast, run).state == "failed"
    assert undone(cast, run) == [(3, "done", [3, 30]), (2, "done", [2, 20]), (1, "done", [1, 10])]
    with scope(cast.acme.pk):
        times = [row.run.started_at for row in Compensation.objects.filter(root=run).order_by("number").select_related("run")]
    assert times == sorted(times)


def test_a_chain_that_succeeds_undoes_nothing(cast, shop) -> None:
    run = begin(cast, shop, orders=2, fails=False)
    assert work_off() == 1
    assert (see(cast, run).state, undone(cast, run)) == ("succeeded", [])


def test_a_run_without_a_chain_that_succeeds_asks_nothing_more(cast) -> None:
    begin(cast, write(cast, ORDER, settings=UNDOABLE), n=1)
    claimed = lanes.claim_next()
    with scope(cast.acme.pk), CaptureQueriesContext(connection) as queries:
        transitions.leave(claimed, to_state="succeeded", outcome="ok", message="", result={"id": 1})
    said = [query["sql"] for query in queries]
    assert not [text for text in said if "runs_compensation" in text or f"'{claimed.pk.hex}'::uuid) FOR NO KEY" in text]


def test_one_that_cannot_be_undone_is_told_and_the_others_are_undone(cast, shop) -> None:
    write_again(
        cast,
        "cancel_order",
        UNDO.replace("    return", "    if arguments['n'] == 2:\n        raise ValueError('gone')\n    return"),
    )
    run = begin(cast, shop, orders=3, fails=True)
    work_off()
    assert undone(cast, run) == [(3, "done", [3, 30]), (2, "failed", None), (1, "done", [1, 10])]
    with scope(cast.acme.pk):
        failed = Compensation.objects.get(root=run, state="failed")
        assert "ended as failed: ValueError: gone" in failed.reason
        assert AuditRecord.objects.filter(action="run.not_undone", subject_id=str(run.pk)).count() == 1


def write_again(cast, name: str, source: str) -> None:
    with scope(cast.acme.pk):
        function = Function.objects.select_related("active_version").get(name=name)
        save_version(actor=cast.developer, function=function, source=source)


@pytest.mark.parametrize("why", ["archived", "of another form", "nobody behind it"])
def test_what_cannot_even_begin_is_told_for_each(cast, shop, why) -> None:
    run = begin(cast, shop, orders=2, fails=True)
    if why == "archived":
        with scope(cast.acme.pk):
            archive_function(actor=cast.developer, function=Function.objects.get(name="cancel_order"))
    elif why == "of another form":
        write_again(cast, "cancel_order", "def cancel_order(n: int) -> int:\n    return n\n")
    root = lanes.claim_next()
    children = [child_of(cast, root, n) for n in (1, 2)]
    with scope(cast.acme.pk):
        if why == "nobody behind it":
            Run.objects.filter(pk__in=[child.pk for child in children]).update(asked_by=None)
        for child in children:
            transitions.move(child, from_states=("queued",), to_state="succeeded", result={"id": 1})
        transitions.leave(root, to_state="failed", outcome="error", message="no")
    told = undone(cast, run)
    assert [state for _, state, _ in told] == ["failed", "failed"]
    with scope(cast.acme.pk):
        assert all(Compensation.objects.filter(root=run).values_list("reason", flat=True))


def child_of(cast, root: Run, n: int) -> Run:
    with scope(cast.acme.pk):
        version = FunctionVersion.objects.active_by_name(["order"], task_id=None)["order"]
        family = Family(root, root.attempt, "", root, 1)
        return start_run(actor=cast.developer, version=version, arguments={"n": n}, family=family)


def test_a_cancelled_chain_is_undone_too(cast, shop) -> None:
    run = begin(cast, shop, orders=1, fails=False)
    root = lanes.claim_next()
    child = child_of(cast, root, 1)
    with scope(cast.acme.pk):
        transitions.move(child, from_states=("queued",), to_state="succeeded", result={"id": 10})
        cancel_run(actor=cast.developer, run_id=run.pk)
        transitions.leave(root, to_state="cancelled", outcome="killed", message="Cancelled.")
    work_off()
    assert undone(cast, run) == [(1, "done", [1, 10])]


def test_a_run_that_succeeds_after_its_root_has_ended_is_undone_as_well(cast, shop) -> None:
    run = begin(cast, shop, orders=1, fails=False)
    root = lanes.claim_next()
    child_of(cast, root, 7)
    child = lanes.claim_next()
    with scope(cast.acme.pk):
        transitions.leave(root, to_state="failed", outcome="error", message="no")
    assert undone(cast, run) == []
    with scope(cast.acme.pk):
        transitions.leave(child, to_state="succeeded", outcome="ok", message="", result={"id": 70})
    work_off()
    assert undone(cast, run) == [(7, "done", [7, 70])]


def test_a_worker_s_death_between_two_changes_nothing(cast, shop) -> None:
    run = begin(cast, shop, orders=2, fails=True)
    assert perform_next_run()
    dead = lanes.claim_next()
    assert dead.undoes is not None
    with scope(cast.acme.pk):
        Run.objects.filter(pk=dead.pk).update(lease_until="2020-01-01T00:00:00Z")
    sweep_runs()
    assert work_off() == 2
    assert [(n, state) for n, state, _ in undone(cast, run)] == [(2, "done"), (1, "done")]
    assert see(cast, dead).attempt == 2


def test_a_run_is_undone_once_though_its_end_is_told_twice(cast, shop) -> None:
    run = begin(cast, shop, orders=1, fails=True)
    work_off()
    with scope(cast.acme.pk):
        follow_end(run_id=run.pk, state="failed", root_id=None, undone_by="", undoes=None)
    assert work_off() == 0
    assert len(undone(cast, run)) == 1


def test_a_full_queue_takes_what_undoes(cast, shop, settings) -> None:
    run = begin(cast, shop, orders=1, fails=True)
    settings.WORKSPACE_QUEUED_RUNS = 1
    assert lanes.claim_next().pk == run.pk
    root = see(cast, run)
    child = child_of(cast, root, 1)
    with scope(cast.acme.pk):
        transitions.move(child, from_states=("queued",), to_state="succeeded", result={"id": 10})
    begin(cast, shop, orders=0, fails=False)
    with scope(cast.acme.pk):
        transitions.leave(root, to_state="failed", outcome="error", message="no")
    assert [state for _, state, _ in undone(cast, run)] == ["running"]


def test_what_was_answered_and_not_done_is_not_undone(cast) -> None:
    write(cast, ORDER, settings=Settings(handling={"undone_by": "cancel_order", "cache_seconds": 60}))
    write(cast, UNDO)
    twice = SHOP.replace("n=n + 1", "n=1")
    run = begin(cast, write(cast, twice), orders=2, fails=True)
    work_off()
    assert undone(cast, run) == [(1, "done", [1, 10])]


@pytest.mark.parametrize(
    ("handling", "words"),
    [
        ({"undone_by": "order"}, "cannot undo itself"),
        ({"undone_by": 3}, "name of a function"),
        ({"undone_by": "x" * 101}, "name of a function"),
    ],
)
def test_what_cannot_undo_is_refused(cast, handling, words) -> None:
    with pytest.raises(InvalidHandling, match=words):
        write(cast, ORDER, settings=Settings(handling=handling))


def test_a_function_that_stores_no_arguments_cannot_be_undone(cast) -> None:
    hidden = Settings(handling={"undone_by": "cancel_order"}, logging={"store_arguments": False})
    with pytest.raises(InvalidHandling, match="stores none"):
        write(cast, ORDER, settings=hidden)


def test_the_member_who_asked_is_the_one_who_undoes(cast, shop) -> None:
    run = begin(cast, shop, orders=1, fails=True)
    work_off()
    with scope(cast.acme.pk):
        row = Compensation.objects.select_related("run").get(root=run)
        assert Membership.objects.get(pk=row.run.asked_by_id) == cast.developer
