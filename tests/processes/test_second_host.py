"""A worker on another host: a home of its own that has nothing but the keys, and the folder of the stored files.

Both share this machine's Docker engine, so the box image is there already; on a real one set-up makes it by its recipe.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.agents.demo_play import play
from tests.processes.conftest import Installer
from tests.processes.installation import Installation
from tests.processes.story import Story
from tests.processes.test_demo import END_SECONDS

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]


@pytest.fixture(scope="module")
def first(installer: Installer) -> Installation:
    """The demo was played here."""
    made = installer()
    assert play(made.url, made.passwords, seconds=END_SECONDS, say=print)["state"] == "completed"
    return made


@pytest.fixture(scope="module")
def second(first: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shares the first one's engines, which are no process of its own."""
    home = tmp_path_factory.mktemp("second")
    (home / "blobs").symlink_to(first.home / "blobs")
    made = Installation(home, {}, {**first.variables, "SELFSMITH_HOME": str(home), "SELFSMITH_HOST_NAME": "second"})
    yield made
    made.stop()


def environments_of(installation: Installation) -> list[str]:
    folder = installation.home / "environments"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_it_builds_the_environment_that_was_approved_and_works_on_the_same_files(
    first: Installation, second: Installation
) -> None:
    assert environments_of(second) == []
    first.terminate("worker")
    second.start("worker")
    story = Story.begin(first, "acme", "markdown_page", {"lamp.md": b"# Lamp\n\n## Use\n\nSwitch it on.\n"})
    ended = story.end()
    assert ended["state"] == "completed", ended["failure"]
    assert story.tools().count("request_package") == 1
    assert environments_of(second) == environments_of(first)
    (artifact,) = story.look()["artifacts"]
    assert b"Switch it on." in first.api().get(f"/files/{artifact['id']}/content").content


def test_a_host_without_the_files_is_told_what_to_do(first: Installation, tmp_path: Path) -> None:
    assert "All is as it should be." in first.manage("check_engines", "--tables")
    bare = Installation(tmp_path, {}, {**first.variables, "SELFSMITH_HOME": str(tmp_path)})
    done = bare.run_manage("check_engines", "--tables")
    assert done.returncode == 1
    assert f"The files of this installation are not in {tmp_path}/blobs: mount there" in done.stderr
