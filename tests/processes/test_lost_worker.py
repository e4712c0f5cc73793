"""kill -9 of the worker in the middle of a run."""

import re

import pytest

from tests.processes.conftest import Installer
from tests.processes.hand_written import SECONDS, SLOW, begin, log_of, text_of, wait_for_end, wait_for_output, write
from tests.processes.installation import Installation

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
NEVER_AGAIN = """
from apps.accounts.models import User
from apps.core.tenancy import scope
from apps.functions.definition import Settings
from apps.functions.models import RetryClass
from apps.functions.services import create_function
from apps.workspaces.services import find_membership

developer = find_membership(user=User.objects.get(username="developer"), slug="acme")
with scope(developer.workspace_id):
    create_function(actor=developer, source={source!r}, settings=Settings(retry_class=RetryClass.NEVER))
"""


@pytest.fixture(scope="module")
def own(installer: Installer) -> Installation:
    """An installation of their own: nobody else's run shall be lost."""
    return installer()


def test_the_run_ends_right_on_the_next_worker_with_an_unbroken_log_and_one_file(own: Installation) -> None:
    write(own, "slow")
    run_id = begin(own, "slow")
    wait_for_output(own, run_id)
    own.kill("worker")
    own.restart("worker")
    ended = wait_for_end(own, run_id)
    assert (ended["state"], ended["attempt"], ended["result"]) == ("succeeded", 2, 12)
    pieces = log_of(own, run_id)
    assert [piece["seq"] for piece in pieces] == list(range(1, len(pieces) + 1))
    assert sorted({piece["attempt"] for piece in pieces}) == [1, 2]
    last_try = text_of([piece for piece in pieces if piece["attempt"] == 2])
    assert re.findall(r"line (\d+) ", last_try) == [str(number) for number in range(12)]
    assert [artifact["name"] for artifact in ended["artifacts"]] == ["early.txt"]
    outcomes = own.rows("SELECT number, outcome FROM runs_attempt WHERE run_id = %s ORDER BY number", run_id)
    assert outcomes == [(1, "lost"), (2, "ok")]


def test_a_function_that_must_never_be_tried_twice_is_lost(own: Installation) -> None:
    own.manage("shell", "--verbosity=0", "--command", NEVER_AGAIN.format(source=SLOW.format(name="once")))
    run_id = begin(own, "once")
    wait_for_output(own, run_id)
    own.kill("worker")
    own.restart("worker")
    ended = wait_for_end(own, run_id)
    assert (ended["state"], ended["attempt"], ended["artifacts"]) == ("lost", 1, [])


def test_the_boxes_of_dead_workers_are_removed(own: Installation) -> None:
    own.wait_until(lambda: bool(own.boxes()), SECONDS, "a box that waits")
    orphans = {box.id for box in own.boxes()}
    assert orphans
    own.kill("worker")
    own.restart("worker")
    own.wait_until(lambda: not orphans & {box.id for box in own.boxes()}, 2 * SECONDS, "the sweep of boxes")
