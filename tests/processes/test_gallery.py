"""The gallery's other tasks come to their ends on their samples and on files of one's own."""

import pytest

from tests.processes.conftest import Installer
from tests.processes.installation import Installation
from tests.processes.story import Story

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
ANOTHER = {
    "json_to_xml": {"lamps.jsonl": b'{"lamp": 1}\n{"lamp": 2}\n'},
    "line_sentiment": {"notes.txt": "Très bien, I love it.\nA broken thing.\n".encode("latin-1")},
    "chain_of_calls": {"sums.txt": b"1.50\n2.25\n"},
}


@pytest.fixture(scope="module", autouse=True)
def workspaces(installation: Installation) -> None:
    installation.add_workspaces("gallery")


@pytest.mark.parametrize("script", ANOTHER)
def test_a_gallery_task_completes_on_its_sample_and_otherwise_on_another_file(installation: Installation, script: str) -> None:
    sample = Story.begin(installation, "gallery", script)
    another = Story.begin(installation, "gallery", script, ANOTHER[script])
    ended = [story.end() for story in (sample, another)]
    assert [task["state"] for task in ended] == ["completed", "completed"], [task["failure"] for task in ended]
    assert ended[0]["summary"] != ended[1]["summary"]
    assert not set(sample.digests().values()) & set(another.digests().values())


def test_the_chain_of_calls_shows_the_call_at_which_it_failed(installation: Installation) -> None:
    story = Story.begin(installation, "gallery", "chain_of_calls")
    summary = story.end()["summary"]
    assert "47" in summary
    run = next(step["run"] for step in story.look()["steps"] if step["run"])
    failed = story.get(f"/runs/{run}")
    assert failed["state"] == "failed"
    spans = installation.rows(
        "SELECT count(*), count(*) FILTER (WHERE error <> '') FROM runs_span WHERE run_id = %s AND function_name = 'read_amount'",
        run,
    )
    assert spans == [(47, 1)]


@pytest.mark.network
def test_the_statistics_are_plotted_with_a_package_of_the_real_index(installer: Installer) -> None:
    online = installer(SELFSMITH_PACKAGES_INDEX="https://pypi.org/simple")
    sample = Story.begin(online, "acme", "csv_statistics")
    online.wait_until(lambda: _approve_whatever_waits(sample), 60, "the decision about pillow")
    another = Story.begin(online, "acme", "csv_statistics", {"other.csv": b"a,b\n1,2\n3,4\n"})
    assert [story.end()["state"] for story in (sample, another)] == ["completed", "completed"]
    assert sample.digests().keys() == another.digests().keys()
    assert not set(sample.digests().values()) & set(another.digests().values())


def _approve_whatever_waits(story: Story) -> bool:
    """The installation's first task waits for a package as well, so both requests are decided."""
    while story.open_request():
        story.decide("approve")
    return bool(story.count("packages_packageset", "state = 'ready' AND requirements = '[\"pillow\"]'"))
