"""Items of a generator are stored while it goes on, in order, of the attempt that counts, without secrets."""

import threading

import pytest
from django.db import connection

from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import RetryClass
from apps.runs.models import Run, StreamedItem
from apps.runs.recorder import Recorder
from apps.runs.work import perform_next_run
from apps.vault.masking import Mask
from sandbox import Item
from tests.runs.conftest import begin, see, write
from tests.waiting import wait_for

ROWS = (
    "from collections.abc import Iterator\n\ndef rows(most: int) -> Iterator[int]:\n    for n in range(most):\n        yield n\n"
)


def items_of(cast, run: Run) -> list[tuple[int, int, object]]:
    with scope(cast.acme.pk):
        return list(StreamedItem.objects.filter(run=run).order_by("attempt", "number").values_list("attempt", "number", "value"))


@pytest.mark.usefixtures("fake_boxes")
def test_a_generator_s_items_are_stored_in_order_and_are_the_result(cast, run_now) -> None:
    run = run_now(ROWS, most=1200)
    assert (run.state, run.result) == ("succeeded", list(range(1200)))
    assert items_of(cast, run) == [(1, n + 1, n) for n in range(1200)]


@pytest.mark.usefixtures("fake_boxes")
def test_items_are_there_while_the_run_goes_on(cast) -> None:
    waits = (
        "import time, func\n\ndef rows():\n    yield 'first'\n"
        "    while not func.store.get('signs', 'go'):\n        time.sleep(0.05)\n    yield 'second'\n"
    )
    run = begin(cast, write(cast, waits))

    def work_off() -> None:
        try:
            perform_next_run()
        finally:
            connection.close()

    worker = threading.Thread(target=work_off)
    worker.start()
    try:
        wait_for(lambda: items_of(cast, run) == [(1, 1, "first")])
        assert see(cast, run).state == "running"
    finally:
        put_sign(cast)
        worker.join()
    assert see(cast, run).result == ["first", "second"]


def put_sign(cast) -> None:
    from apps.store.services import write_document

    with scope(cast.acme.pk):
        write_document(actor=cast.developer, collection="signs", key="go", value=True)


@pytest.mark.usefixtures("fake_boxes")
def test_a_further_attempt_begins_its_items_anew(cast) -> None:
    again = Settings(retry_class=RetryClass.ON_ERROR, retry={"max_attempts": 2, "backoff_seconds": 1})
    run = begin(cast, write(cast, "def rows():\n    yield 1\n    raise ValueError('no')\n", settings=again))
    assert perform_next_run()
    with scope(cast.acme.pk):
        Run.objects.filter(pk=run.pk).update(not_before=None)
    assert perform_next_run()
    assert see(cast, run).attempt == 2
    assert items_of(cast, run) == [(1, 1, 1), (2, 1, 1)]


@pytest.mark.usefixtures("fake_boxes")
def test_items_are_held_against_the_annotation_as_any_result(cast, run_now) -> None:
    run = run_now("from collections.abc import Iterator\n\ndef rows() -> Iterator[int]:\n    yield 1\n    yield 'x'\n")
    assert (run.state, run.error["type"], run.result) == ("failed", "ResultMisfit", [1, "x"])
    assert "at 1 it should be a whole number" in run.message


def test_a_secret_in_an_item_is_masked_before_it_is_stored(cast) -> None:
    from apps.runs import lanes

    run = begin(cast, write(cast, ROWS), most=1)
    claimed = lanes.claim_next()
    assert claimed == run
    recorder = Recorder(claimed, mask=Mask(["correct-horse-battery"]))
    recorder.hear(Item({"key": "is correct-horse-battery"}, 40))
    recorder.close()
    ((_, _, stored),) = items_of(cast, run)
    assert "correct-horse" not in str(stored)
