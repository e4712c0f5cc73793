"""Runs that a run's code starts. One thread is the only worker unless a test says otherwise; boxes are the fake driver's."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.core import stopping
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import RetryClass
from apps.packages.models import PackageSet
from apps.runs import children as children_of_code
from apps.runs import work
from apps.runs.models import Run, Span
from apps.runs.services import Family, cancel_run, start_run
from apps.workspaces.models import Membership
from tests.runs.conftest import begin, change, see, write
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("fake_boxes")
DOUBLE = "def double(n: int) -> int:\n    return 2 * n\n"
CALLER = "import func\n\ndef caller(name: str, n: int) -> int:\n    return func.call(name, n=n) + 1\n"
DOWN = "import func\n\ndef down(n: int) -> int:\n    return n if n == 0 else 1 + func.call('down', n=n - 1)\n"
ENDLESS = "import time\n\ndef endless(n: int) -> int:\n    time.sleep(60)\n    return n\n"
MAP = "import func\n\ndef many(name: str, items: list[int]) -> list[int]:\n    return func.map(name, items, parallel=3)\n"


@pytest.fixture
def double(cast):
    return write(cast, DOUBLE)


@pytest.fixture
def caller(cast):
    return write(cast, CALLER)


def children(cast, run: Run) -> list[Run]:
    with scope(cast.acme.pk):
        return list(Run.objects.filter(parent=run).order_by("id"))


def work_off(cast, run: Run) -> Run:
    assert work.perform_next_run()
    return see(cast, run)


def in_background(act):
    """Another worker's thread."""

    def act_and_close() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=act_and_close)
    thread.start()
    return thread


def test_a_function_called_by_name_runs_in_its_own_box_on_the_only_worker(cast, double, caller) -> None:
    ended = work_off(cast, begin(cast, caller, name="double", n=4))
    assert (ended.state, ended.result) == ("succeeded", 9)
    (child,) = children(cast, ended)
    assert (child.state, child.result, child.arguments, child.depth) == ("succeeded", 8, {"n": 4}, 1)
    assert (child.root_id, child.parent_attempt, child.asked_by_id) == (ended.pk, 1, cast.developer.pk)
    assert not work.perform_next_run()


ODD = (
    "def odd(function_name: str, parent_log_id: int, name: str, verb: str, arguments: list[int], self: int) -> list:\n"
    "    return [function_name, parent_log_id, name, verb, arguments, self]\n"
)
CALLS_ODD = "import func\n\ndef calls_odd(**given: object) -> list:\n    return func.call('odd', **given)\n"


def test_arguments_may_have_any_name_also_those_that_the_platform_uses_itself(cast) -> None:
    odd, calls_odd = write(cast, ODD), write(cast, CALLS_ODD)
    given = {"function_name": "f", "parent_log_id": 1, "name": "n", "verb": "v", "arguments": [2], "self": 3}
    for version in (odd, calls_odd):
        ended = work_off(cast, begin(cast, version, **given))
        assert (ended.state, ended.result) == ("succeeded", ["f", 1, "n", "v", [2], 3])


def test_the_call_is_a_span_that_names_the_child(cast, double, caller) -> None:
    ended = work_off(cast, begin(cast, caller, name="double", n=4))
    (child,) = children(cast, ended)
    with scope(cast.acme.pk):
        outer, inner = Span.objects.filter(run=ended).order_by("id")
    assert (outer.function_name, inner.function_name, inner.parent_key) == ("caller", "double", outer.key)
    assert (inner.key, inner.arguments_preview, inner.result_preview) == (child.parent_span, "n=4", "8")
    assert inner.seconds > 0


@pytest.mark.parametrize("text", ["return func.call('quiet', n=n)", "return quiet(n)"])
def test_arguments_that_a_called_function_does_not_store_are_not_in_its_caller_s_call_tree(cast, text: str) -> None:
    write(cast, "def quiet(n: int) -> int:\n    return 1000 * n\n", settings=Settings(logging={"store_arguments": False}))
    ended = work_off(
        cast, begin(cast, write(cast, f"import func\n\ndef outer(n: int) -> int:\n    n += 700\n    {text}\n"), n=77)
    )
    assert (ended.state, ended.result) == ("succeeded", 777000)
    with scope(cast.acme.pk):
        outer, inner = Span.objects.filter(run=ended).order_by("id")
    assert (outer.arguments_preview, outer.result_preview) == ("n=77", "777000")
    assert (inner.function_name, inner.arguments_preview, inner.result_preview) == ("quiet", "", "")


def test_a_chain_of_calls_ends_on_one_worker_in_a_workspace_that_may_run_one(cast, settings) -> None:
    settings.CELERY_WORKER_CONCURRENCY, settings.WORKSPACE_RUNNING_RUNS = 1, 1
    ended = work_off(cast, begin(cast, write(cast, DOWN), n=3))
    assert (ended.state, ended.result) == ("succeeded", 3)
    with scope(cast.acme.pk):
        assert sorted(Run.objects.filter(root=ended).values_list("depth", flat=True)) == [1, 2, 3]


def test_calls_deeper_than_allowed_are_refused_in_the_box(cast, settings) -> None:
    settings.RUN_DEPTH = 1
    ended = work_off(cast, begin(cast, write(cast, DOWN), n=2))
    assert ended.state == "failed"
    assert "Runs that call runs may be 1 deep" in ended.error["message"]
    with scope(cast.acme.pk):
        assert Run.objects.filter(root=ended).count() == 1


def test_map_gives_the_results_in_the_order_of_the_items(cast, double) -> None:
    ended = work_off(cast, begin(cast, write(cast, MAP), name="double", items=[5, 3, 4, 1]))
    assert (ended.state, ended.result) == ("succeeded", [10, 6, 8, 2])
    assert len(children(cast, ended)) == 4


def test_map_runs_side_by_side_where_there_are_workers(cast, tmp_path) -> None:
    """Each child waits for the other one's file, so both must be at work at the same time."""
    source = (
        "import pathlib, time\n\ndef meets(n: int) -> int:\n"
        f"    here, there = (pathlib.Path('{tmp_path}') / str(each) for each in (n, 1 - n))\n"
        "    here.touch()\n    while not there.exists():\n        time.sleep(0.01)\n    return n\n"
    )
    write(cast, source)
    run = begin(cast, write(cast, MAP), name="meets", items=[0, 1])
    first = in_background(work.perform_next_run)
    wait_for(lambda: see(cast, run).state == "running")
    wait_for(work.perform_next_run)  # a second worker: it gets the child for which the first has no place
    first.join()
    assert (see(cast, run).state, see(cast, run).result) == ("succeeded", [0, 1])


def test_a_call_can_be_awaited_while_others_go_on(cast, double) -> None:
    source = (
        "import asyncio, func\n\nasync def both() -> list[int]:\n"
        "    calls = [func.call_async('double', n=n) for n in (1, 2)]\n"
        "    return await asyncio.gather(*calls) + [func.call_async('double', n=3).result()]\n"
    )
    ended = work_off(cast, begin(cast, write(cast, source)))
    assert (ended.state, ended.result) == ("succeeded", [2, 4, 6]), ended.error


def test_a_child_s_error_is_raised_in_the_caller_with_its_run(cast) -> None:
    write(cast, "def bad(n: int) -> int:\n    raise ValueError('no such thing')\n")
    source = (
        "import func\n\ndef careful() -> list[str]:\n    try:\n        func.call('bad', n=1)\n"
        "    except func.RunFailed as error:\n        return [error.run, error.state, error.reason]\n"
    )
    ended = work_off(cast, begin(cast, write(cast, source)))
    (child,) = children(cast, ended)
    assert ended.result == [str(child.pk), "failed", "ValueError: no such thing"]


def test_map_begins_nothing_more_after_a_failure(cast) -> None:
    write(cast, "def bad(n: int) -> int:\n    raise ValueError('no such thing')\n")
    ended = work_off(cast, begin(cast, write(cast, MAP), name="bad", items=list(range(20))))
    assert (ended.state, ended.error["type"]) == ("failed", "RunFailed")
    assert len(children(cast, ended)) <= 4


def test_one_run_and_what_it_calls_start_a_bounded_number_of_runs(cast, double, settings) -> None:
    settings.RUN_CHILDREN = 2
    ended = work_off(cast, begin(cast, write(cast, MAP), name="double", items=[1, 2, 3]))
    assert ended.state == "failed"
    assert "may start 2 runs, and they have" in ended.error["message"]
    assert len(children(cast, ended)) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("func.call('nowhere', n=1)", "There is no function “nowhere”"),
        ("func.call('double', n='two')", "n"),
        ("func.map('double', [float('nan')])", "not nothing (null)"),
        ("func.ask_host('runs.call', name=7, arguments={})", "needs the name of a function"),
        ("func.ask_host('runs.call', name='double')", "must be given by name"),
        ("func.call('double', n='x' * (1 << 20))", "1 MiB at most"),
    ],
)
def test_a_call_that_makes_no_sense_is_told_to_the_code_and_starts_nothing(cast, double, call, words) -> None:
    ended = work_off(cast, begin(cast, write(cast, f"import func\n\ndef wrong() -> None:\n    {call}\n")))
    assert ended.state == "failed"
    assert words in ended.error["message"]
    assert children(cast, ended) == []


def test_an_item_that_is_one_of_several_arguments_is_refused(cast) -> None:
    write(cast, "def pair(a: int, b: int) -> int:\n    return a + b\n")
    source = MAP.replace("items: list[int]", "items: list")
    refused = work_off(cast, begin(cast, write(cast, source), name="pair", items=[1]))
    assert "“pair” takes 2 arguments: give each item as a dictionary" in refused.error["message"]
    ended = work_off(cast, begin(cast, write(cast, source.replace("many", "more")), name="pair", items=[{"a": 1, "b": 2}]))
    assert ended.result == [3]


def test_a_child_that_would_wait_for_people_is_refused_and_nothing_of_it_stays(cast) -> None:
    write(cast, "import tree\n\ndef needy(n: int) -> int:\n    return n\n", requirements=["tree"])
    with scope(cast.acme.pk):
        before = PackageSet.objects.count()
    ended = work_off(cast, begin(cast, write(cast, CALLER), name="needy", n=1))
    assert "needs what is not approved yet" in ended.error["message"]
    with scope(cast.acme.pk):
        assert (Run.objects.count(), PackageSet.objects.count()) == (1, before)


def test_a_task_s_own_function_is_not_to_be_called_from_outside(cast) -> None:
    from uuid import uuid4

    from apps.functions.definition import Provenance
    from apps.functions.models import Origin

    write(cast, DOUBLE, provenance=Provenance(origin=Origin.AGENT, task_id=uuid4()))
    ended = work_off(cast, begin(cast, write(cast, CALLER), name="double", n=1))
    assert "There is no function “double”" in ended.error["message"]


def test_a_task_s_own_function_takes_no_name_that_a_library_function_calls(cast, double, caller) -> None:
    """Nobody has voted on it, and the function that a task runs may hold what people granted."""
    from uuid import uuid4

    from apps.functions.definition import Provenance
    from apps.functions.models import Origin

    task_id = uuid4()
    write(cast, DOUBLE.replace("2 * n", "666"), provenance=Provenance(origin=Origin.AGENT, task_id=task_id))
    with scope(cast.acme.pk):
        run = start_run(actor=cast.developer, version=caller, arguments={"name": "double", "n": 4}, task_id=task_id)
    assert work_off(cast, run).result == 9


@pytest.mark.parametrize("loss", ["demoted", "removed"])
def test_code_has_the_rights_that_whoever_asked_for_it_has_now(cast, double, caller, loss) -> None:
    run = begin(cast, caller, name="double", n=1)
    with scope(cast.acme.pk):
        if loss == "demoted":
            Membership.objects.filter(pk=cast.developer.pk).update(role="viewer")
        else:
            change(cast, run, asked_by=None)
    ended = work_off(cast, run)
    assert (ended.state, ended.error["type"]) == ("failed", "HostRefused")
    assert children(cast, ended) == []


def test_who_calls_what_must_not_be_repeated_is_not_repeated(cast) -> None:
    write(cast, DOUBLE, settings=Settings(retry_class=RetryClass.NEVER))
    on_error = Settings(retry_class=RetryClass.ON_ERROR)
    source = CALLER.replace("+ 1", "// 0")
    ended = work_off(cast, begin(cast, write(cast, source, settings=on_error), name="double", n=1))
    assert (ended.state, ended.retry_class) == ("failed", "never")
    with scope(cast.acme.pk):
        assert "must not be done twice" in ended.attempts.get().sequel


def test_a_worker_that_is_told_to_end_begins_no_child(cast, double, monkeypatch) -> None:
    """Else it would begin it and hand it back, over and over, beside a caller that it must bring to its end."""
    run = begin(cast, double, n=1)
    monkeypatch.setattr(stopping, "is_stopping", lambda: True)
    assert not children_of_code._execute_here(run)
    assert see(cast, run).attempt == 0


def test_cancelling_the_caller_stops_what_it_has_started(cast) -> None:
    write(cast, ENDLESS)
    run = begin(cast, write(cast, CALLER), name="endless", n=1)
    worker = in_background(work.perform_next_run)
    wait_for(lambda: any(child.started_at for child in children(cast, run)))
    with scope(cast.acme.pk):
        cancel_run(actor=cast.developer, run_id=run.pk)
    worker.join()
    wait_for(lambda: not children(cast, run)[0].is_open)
    assert (see(cast, run).state, children(cast, run)[0].state) == ("cancelled", "cancelled")


def test_a_caller_whose_time_is_over_takes_its_children_with_it(cast) -> None:
    write(cast, ENDLESS)
    settings = Settings(limits={"wall_seconds": 2})
    ended = work_off(cast, begin(cast, write(cast, MAP, settings=settings), name="endless", items=[1, 2]))
    assert ended.state == "timed_out"
    wait_for(lambda: not any(child.is_open for child in children(cast, ended)))
    assert [child.state for child in children(cast, ended)] == ["cancelled", "cancelled"]


def test_what_a_lost_attempt_had_started_is_stopped_before_the_next_one_begins(cast, double, caller) -> None:
    run = begin(cast, caller, name="double", n=1)
    change(cast, run, state="running", attempt=1, token=1, lease_until=Now() - timedelta(seconds=1))
    with scope(cast.acme.pk):
        family = Family(see(cast, run), 1, "", see(cast, run), 1)
        orphan = start_run(actor=cast.developer, version=double, arguments={"n": 5}, family=family)
    assert work.sweep_runs() == 1
    assert (see(cast, run).state, see(cast, orphan).state) == ("queued", "cancelled")
    assert see(cast, orphan).message == "The run that had started it was over."
