"""What a decision about packages does to the task that waits for it, and what other files give."""

import pytest

from tests.processes.installation import Installation
from tests.processes.story import README, Story

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]


@pytest.fixture(scope="module", autouse=True)
def workspaces(installation: Installation) -> None:
    installation.add_workspaces("gate-approve", "gate-reject", "gate-files")


def test_a_task_waits_without_a_worker_and_goes_on_by_itself_when_its_package_is_approved(installation: Installation) -> None:
    story = Story.begin(installation, "gate-approve", "markdown_page", {"README.md": README})
    story.wait_for_request()
    waiting = story.look()
    assert (waiting["state"], waiting["waits_for"]) == ("waiting", "packages")
    assert story.count("agents_task", "lease_until IS NOT NULL OR leased_by <> ''") == 0
    assert story.count("runs_run") == 0
    story.decide("approve")
    ended = story.end()
    assert ended["state"] == "completed"
    assert "page.html" in ended["summary"]


def test_a_refused_package_sends_the_agent_another_way_with_the_reason(installation: Installation) -> None:
    story = Story.begin(installation, "gate-reject", "markdown_page", {"README.md": README})
    story.decide("reject", reason="We have no use for it here.")
    ended = story.end()
    assert ended["state"] == "completed"
    assert "plain" in ended["summary"]
    asked = next(step for step in ended["steps"] if step["tool"] == "request_package")
    assert asked["observation"]["state"] == "rejected"
    assert "We have no use for it here." in asked["observation"]["reason"]
    assert story.digests().keys() == {"page.html"}
    assert story.count("runs_run", "environment_digest <> ''") == 0


def test_another_file_gives_another_artifact_and_the_same_file_the_same(installation: Installation) -> None:
    first = Story.begin(installation, "gate-files", "markdown_page", {"README.md": README})
    first.decide("approve")
    assert first.end()["state"] == "completed"
    others = [README, README + b"\n## More\n\nOf it.\n"]
    same, other = (Story.begin(installation, "gate-files", "markdown_page", {"README.md": data}) for data in others)
    assert [story.end()["state"] for story in (same, other)] == ["completed", "completed"]
    assert same.digests() == first.digests()
    assert other.digests()["page.html"] != first.digests()["page.html"]
