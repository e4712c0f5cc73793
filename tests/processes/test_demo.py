"""The main job over real HTTP on real processes, and what changes its course."""

import json

import pytest

from apps.agents.demo_play import play
from installer.shape import Shape
from tests.processes.conftest import Installer
from tests.processes.installation import Installation, checked

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
END_SECONDS = 120


def play_demo(installation: Installation) -> tuple[int, dict[str, object], str]:
    """The command behind `make demo`: its exit code, its last line, and what it said on standard error."""
    people = "".join(json.dumps({"username": name, "password": word}) + "\n" for name, word in installation.passwords.items())
    done = installation.run_manage("play_demo", f"--url={installation.url}", "--sign-ins=-", text=people)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_demo_ends_completed_with_a_mended_tool_and_an_approved_package(installation: Installation) -> None:
    ended = play(installation.url, installation.passwords, seconds=END_SECONDS, say=print)
    assert ended["state"] == "completed"
    assert ended["package"] == "markdown==1.0"
    assert ended["approved_by"] == "approver"
    assert ended["attempts"] == 2
    assert ended["kernel"].startswith("gVisor")
    assert len(ended["artifact_sha256"]) == 64


def test_without_gvisor_the_pages_say_so_the_run_is_marked_and_the_demo_ends_with_an_error(
    installer: Installer, usual_shape: Shape
) -> None:
    weak = installer(usual_shape, SANDBOX_RUNTIME="runc")
    code, ended, said = play_demo(weak)
    assert code == 1
    assert "did not run in gVisor" in said
    assert ended["state"] == "completed"
    assert "gVisor" not in str(ended["kernel"])
    owner = weak.session("owner")
    run = checked(owner.get("/api/v1/runs"))["items"][0]
    assert "It ran without gVisor." in owner.get(f"/w/acme/runs/{run['id']}/").text
    for page in ("/w/acme/", "/w/acme/tasks/", "/w/acme/functions/", "/accounts/password/change/"):
        assert "<strong>No gVisor.</strong>" in owner.get(page).text, page


def test_without_the_traceback_the_agent_cannot_mend_its_tool(installer: Installer, usual_shape: Shape) -> None:
    blind = installer(usual_shape, SELFSMITH_WITHHOLD_TRACEBACK="yes")
    code, ended, said = play_demo(blind)
    assert code == 1
    assert ended["state"] == "failed"
    assert ended["attempts"] == 1
    assert ended["artifact_sha256"] is None
    assert "ended failed" in said
