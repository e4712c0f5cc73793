"""Runs that call runs, in gVisor, on a worker of one place and one that dies."""

import pytest

from tests.processes.conftest import Installer
from tests.processes.hand_written import SECONDS, SLOW, begin, look, wait_for_end, wait_for_output
from tests.processes.installation import Installation, checked

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
MAP = "import func\n\ndef many(what: str, items: list[dict]) -> list[int]:\n    return func.map(what, items, parallel=3)\n"


@pytest.fixture(scope="module")
def own(installer: Installer) -> Installation:
    made = installer(SELFSMITH_WORKER_CONCURRENCY="1")
    for source in (SLOW.format(name="slow"), MAP):
        checked(made.api("developer").post("/functions", json={"source": source}))
    return made


def test_runs_that_call_runs_end_on_a_worker_of_one_place(own: Installation) -> None:
    items = [{"lines": number, "pause": 0.01} for number in (1, 2, 3)]
    ended = wait_for_end(own, begin(own, "many", what="slow", items=items))
    assert (ended["state"], ended["result"]) == ("succeeded", [1, 2, 3]), ended
    assert [child["state"] for child in ended["children"]] == ["succeeded"] * 3
    assert "gvisor" in look(own, ended["children"][0]["id"])["kernel"].lower()


def test_a_caller_and_its_child_survive_their_worker(own: Installation) -> None:
    run_id = begin(own, "many", what="slow", items=[{"lines": 8, "pause": 0.25}])
    own.wait_until(lambda: look(own, run_id)["children"], SECONDS, "the child")
    first = look(own, run_id)["children"][0]["id"]
    wait_for_output(own, first)
    own.kill("worker")
    own.restart("worker")
    ended = wait_for_end(own, run_id)
    assert (ended["state"], ended["attempt"], ended["result"]) == ("succeeded", 2, [8]), ended
    states = [(child["attempt"], child["state"]) for child in ended["children"]]
    assert states == [(1, "cancelled"), (2, "succeeded")]


def test_a_cancelled_caller_is_gone_within_two_seconds_with_what_it_started(own: Installation) -> None:
    run_id = begin(own, "many", what="slow", items=[{"lines": 100, "pause": 0.1}])
    own.wait_until(lambda: look(own, run_id)["children"], SECONDS, "the child")
    child = look(own, run_id)["children"][0]["id"]
    wait_for_output(own, child)
    checked(own.api("developer").post(f"/runs/{run_id}/cancel"))
    assert wait_for_end(own, run_id)["state"] == "cancelled"
    assert wait_for_end(own, child)["state"] == "cancelled"
    took = own.rows(
        "SELECT max(extract(epoch FROM finished_at - cancel_requested_at))::float FROM runs_run WHERE id = ANY(%s::uuid[])",
        [run_id, child],
    )
    assert took[0][0] < 2, took
