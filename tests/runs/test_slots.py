"""No more runs of a function go on at once than its version says, with any number of workers."""

import itertools
import threading
from typing import Any

import pytest
from django.db import connection

from apps.core.canonical import digest_of
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import Function, FunctionVersion
from apps.functions.services import create_function, save_version
from apps.runs import lanes, transitions
from apps.runs.models import Run
from apps.runs.services import cancel_run, start_run
from apps.runs.slots import why_waiting
from apps.runs.work import perform_next_run, sweep_runs
from tests.runs.conftest import begin, see, write

SOURCE = "def work(customer: str = 'none', n: int = 0) -> int:\n    return n\n"
ONE = Settings(handling={"at_once": 1})


def of(cast, at_once: int, by: str = "") -> FunctionVersion:
    return write(cast, SOURCE, settings=Settings(handling={"at_once": at_once, "at_once_by": by}))


def claimed(number: int) -> list[Run | None]:
    return [lanes.claim_next() for _ in range(number)]


def end(cast, run: Run) -> None:
    with scope(cast.acme.pk):
        transitions.leave(run, to_state="succeeded", outcome="ok", message="", result=None)


def test_only_so_many_runs_begin_and_the_next_when_one_has_ended(cast) -> None:
    version = of(cast, 2)
    asked = [begin(cast, version) for _ in range(4)]
    first, second, third = claimed(3)
    assert [first, second, third] == [*asked[:2], None]
    end(cast, first)
    assert claimed(2) == [asked[2], None]


def test_what_waits_for_its_slot_holds_up_no_other_function(cast) -> None:
    limited, other = of(cast, 1), write(cast, "def other() -> int:\n    return 1\n")
    first, _, free = begin(cast, limited), begin(cast, limited), begin(cast, other)
    assert claimed(3) == [first, free, None]


def test_runs_are_counted_for_each_value_of_an_argument(cast) -> None:
    version = of(cast, 1, "customer")
    acme, _, globex, usual = (
        begin(cast, version, **given) for given in ({"customer": "a"}, {"customer": "a"}, {"customer": "b"}, {})
    )
    assert claimed(4) == [acme, globex, usual, None]


def test_an_argument_left_out_is_counted_as_its_default(cast) -> None:
    version = of(cast, 1, "customer")
    first, _ = begin(cast, version), begin(cast, version, customer="none")
    assert claimed(2) == [first, None]


def test_versions_of_a_function_share_its_slots_and_each_run_heeds_its_own_number(cast) -> None:
    version = of(cast, 2)
    old = [begin(cast, version) for _ in range(2)]
    with scope(cast.acme.pk):
        function = Function.objects.select_related("active_version").get(pk=version.function_id)
        newer = save_version(actor=cast.developer, function=function, source=SOURCE, settings=ONE)
    new = begin(cast, newer)
    assert claimed(3) == [*old, None]
    end(cast, see(cast, old[0]))
    assert claimed(1) == [None]
    end(cast, see(cast, old[1]))
    assert claimed(1) == [new]


def test_racing_workers_never_go_over_the_limit(cast) -> None:
    version = of(cast, 3)
    for _ in range(15):
        begin(cast, version)

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


@pytest.mark.usefixtures("fake_boxes")
def test_racing_workers_end_all_runs_and_never_have_two_at_once(cast) -> None:
    """The box says when it began and ended; with one slot no two of these times overlap."""
    timed = (
        "import time\n\ndef work() -> list:\n    began = time.monotonic()\n    time.sleep(0.02)\n"
        "    return [began, time.monotonic()]\n"
    )
    version = write(cast, timed, settings=ONE)
    asked = [begin(cast, version) for _ in range(6)]

    def work_off() -> None:
        try:
            while True:
                if not perform_next_run() and all(not see(cast, run).is_open for run in asked):
                    return
        finally:
            connection.close()

    threads = [threading.Thread(target=work_off) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(see(cast, run).result for run in asked)
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(times))


@pytest.mark.parametrize("how", ["ended", "cancelled", "lost"])
def test_a_slot_is_free_again_and_a_worker_is_woken_however_a_run_goes(cast, how, monkeypatch) -> None:
    woken: list[str] = []
    version = of(cast, 1)
    first, second = begin(cast, version), begin(cast, version)
    (running,) = claimed(1)
    assert running == first
    monkeypatch.setattr(transitions, "wake", woken.append)
    if how == "ended":
        end(cast, running)
    elif how == "cancelled":
        with scope(cast.acme.pk):
            transitions.leave(running, to_state="cancelled", outcome="killed", message="Cancelled.")
    else:
        with scope(cast.acme.pk):
            Run.objects.filter(pk=first.pk).update(lease_until="2020-01-01T00:00:00Z", losses=5)
        sweep_runs()
    assert woken == ["runs"]
    assert claimed(2)[0] == second


def test_a_run_that_waits_says_for_what(cast) -> None:
    version = of(cast, 1, "customer")
    first, second = begin(cast, version, customer="a"), begin(cast, version, customer="a")
    with scope(cast.acme.pk):
        assert why_waiting(second) == ""
    claimed(1)
    with scope(cast.acme.pk):
        assert why_waiting(second) == (
            "Waits for its turn: 1 of at most 1 runs of this function with this value of “customer” go on at once"
        )
        assert why_waiting(Run.objects.get(pk=first.pk)) == ""


def test_a_run_that_waits_for_its_slot_can_be_cancelled(cast) -> None:
    version = of(cast, 1)
    _, second = begin(cast, version), begin(cast, version)
    claimed(1)
    with scope(cast.acme.pk):
        assert cancel_run(actor=cast.developer, run_id=second.pk).state == "cancelled"


@pytest.mark.usefixtures("fake_boxes")
def test_a_run_that_would_wait_for_itself_is_refused(cast) -> None:
    down = "import func\n\ndef down(n: int) -> int:\n    return n if n == 0 else func.call('down', n=n - 1)\n"
    run = begin(cast, write(cast, down, settings=ONE), n=1)
    assert perform_next_run()
    ended = see(cast, run)
    assert ended.state == "failed"
    assert "it would wait for itself" in ended.error["message"]


@pytest.mark.usefixtures("fake_boxes")
def test_runs_that_code_starts_heed_the_limit_too(cast) -> None:
    write(cast, SOURCE, settings=ONE)
    many = "import func\n\ndef many() -> list:\n    return func.map('work', [{'n': n} for n in range(4)], parallel=4)\n"
    run = begin(cast, write(cast, many))
    assert perform_next_run()
    assert see(cast, run).result == [0, 1, 2, 3]


def test_a_limit_by_an_argument_that_is_not_stored_tells_nobody_its_value(cast) -> None:
    hidden = Settings(handling={"at_once": 1, "at_once_by": "customer"}, logging={"store_arguments": False})
    version = write(cast, SOURCE, settings=hidden)
    first, second = begin(cast, version, customer="a"), begin(cast, version, customer="a")
    assert first.slot == second.slot != ""
    assert first.slot != digest_of([str(version.function_id), "a"])


def test_a_call_of_another_workspace_s_function_is_counted_by_itself(cast) -> None:
    with scope(cast.globex.pk):
        made = create_function(actor=cast.stranger, source=SOURCE, settings=ONE)
        theirs = Function.objects.select_related("active_version__function").get(pk=made.pk).active_version
        their_run: Any = start_run(actor=cast.stranger, version=theirs, arguments={})
    ours = begin(cast, of(cast, 1))
    assert {run.pk for run in claimed(2) if run} == {ours.pk, their_run.pk}
