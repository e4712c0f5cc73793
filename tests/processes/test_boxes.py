"""The box of a run that goes on: what Docker says of it, and its end when the run is cancelled."""

import time

import pytest

from tests.processes.conftest import Installer
from tests.processes.hand_written import SECONDS, begin, boxes_of, wait_for_end, wait_for_output, write
from tests.processes.installation import Installation, checked

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]


@pytest.fixture(scope="module")
def cold(installer: Installer) -> Installation:
    """Without warm boxes, as for a run whose limits differ from the usual: each is started for its run."""
    return installer(SELFSMITH_BOXES_MIN="0", SELFSMITH_BOXES_MAX="0")


@pytest.mark.parametrize("kind", ["installation", "cold"])
def test_what_docker_says_of_a_box_while_a_run_is_in_it(kind: str, request: pytest.FixtureRequest) -> None:
    place: Installation = request.getfixturevalue(kind)
    write(place, "watched")
    run_id = begin(place, "watched", lines=1000)
    wait_for_output(place, run_id)
    (box,) = place.wait_until(lambda: boxes_of(place, run_id), SECONDS, "a box that is known as this run's")
    said, host = box.attrs, box.attrs["HostConfig"]
    ((workspace,),) = place.rows("SELECT workspace_id::text FROM runs_run WHERE id = %s", run_id)
    assert (host["Runtime"], host["NetworkMode"], host["ReadonlyRootfs"]) == ("runsc", "none", True)
    assert not [mount for mount in said["Mounts"] if mount["RW"] or mount["Source"].endswith(".sock")]
    assert said["Config"]["Labels"]["selfsmith.installation"] == place.name
    if kind == "cold":
        assert said["Config"]["Labels"]["selfsmith.run"] == run_id
        assert said["Config"]["Labels"]["selfsmith.workspace"] == workspace
    else:  # labels of a warm box were set before anybody knew its run; its name says it instead
        assert f"workspace-{workspace}" in said["Name"]
        assert f"run-{run_id}" in said["Name"]
    checked(place.api("developer").post(f"/runs/{run_id}/cancel"))


def test_cancelling_stops_the_box_within_seconds(installation: Installation) -> None:
    write(installation, "endless")
    run_id = begin(installation, "endless", lines=1000)
    wait_for_output(installation, run_id)
    asked = time.monotonic()
    checked(installation.api("developer").post(f"/runs/{run_id}/cancel"))
    ended = wait_for_end(installation, run_id)
    assert ended["state"] == "cancelled"
    assert time.monotonic() - asked < 10  # promised are 2 s; this machine may be busy
    installation.wait_until(lambda: not boxes_of(installation, run_id), SECONDS, "the end of its box")
