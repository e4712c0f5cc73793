"""A backup of a full installation, put into an empty one: the same pages, working runs, secrets that only the root key opens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.agents.demo_play import play
from tests.processes.conftest import Installer
from tests.processes.hand_written import begin, wait_for_end, write
from tests.processes.installation import Foundation, Installation, checked, lay_out

pytestmark = [pytest.mark.processes, pytest.mark.gvisor]
END_SECONDS = 240
SECRET = "correct-battery-horse-staple"
KEEP = """
from apps.accounts.models import User
from apps.core.tenancy import scope
from apps.vault.services import set_secret
from apps.workspaces.services import find_membership

owner = find_membership(user=User.objects.get(username="owner"), slug="acme")
with scope(owner.workspace_id):
    set_secret(actor=owner, name="billing_key", value={value!r})
"""
OPEN = """
from apps.core.tenancy import every_workspace, scope
from apps.vault.services import open_secret
from apps.workspaces.models import Workspace

with every_workspace(reason="a test finds acme"):
    acme = Workspace.objects.get(slug="acme").pk
with scope(acme):
    print(open_secret(name="billing_key", purpose="function", reader="a test"))
"""


@pytest.fixture(scope="module")
def full(installer: Installer) -> Installation:
    """The demo was played, a function was run by hand, and a secret is kept."""
    made = installer()
    ended = play(made.url, made.passwords, seconds=END_SECONDS, say=print)
    assert ended["state"] == "completed"
    write(made, "by_hand")
    wait_for_end(made, begin(made, "by_hand", lines=1, pause=0))
    made.manage("shell", "--verbosity=0", "--command", KEEP.format(value=SECRET))
    checked(made.api("developer").put("/store/notes/kept", json={"value": {"n": 1}}))
    return made


@pytest.fixture(scope="module")
def backup(full: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made while everything runs."""
    folder = tmp_path_factory.mktemp("backups") / "today"
    said = full.manage("backup", str(folder), "--environments", role="owner")
    assert "root key is not in it" in said
    return folder


@pytest.fixture(scope="module")
def restored(
    full: Installation, backup: Path, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Another home, another database, another root key at first."""
    settings = {name: full.variables[name] for name in ("SELFSMITH_PACKAGES_INDEX", "SELFSMITH_LEASE_SECONDS")}
    with lay_out(foundation, tmp_path_factory.mktemp("home"), settings) as empty:
        done = empty.run_manage("restore", str(backup), role="owner")
        assert done.returncode == 0, done.stderr
        assert "The vault's root key is not the one" in done.stderr
        yield empty


def test_no_key_is_in_a_backup(full: Installation, backup: Path) -> None:
    keys = [full.variables["SELFSMITH_VAULT_ROOT_KEY"], full.variables["SELFSMITH_SECRET_KEY"], SECRET]
    for path in (path for path in backup.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not any(key.encode() in content for key in keys), path


def test_without_the_root_key_no_secret_opens_and_with_it_all_is_there_again(full: Installation, restored: Installation) -> None:
    opened = restored.run_manage("shell", "--verbosity=0", "--command", OPEN)
    assert opened.returncode != 0
    assert SECRET not in opened.stdout + opened.stderr
    restored.variables["SELFSMITH_VAULT_ROOT_KEY"] = full.variables["SELFSMITH_VAULT_ROOT_KEY"]
    assert restored.manage("shell", "--verbosity=0", "--command", OPEN).strip() == SECRET
    restored.passwords = full.passwords
    restored.begin()
    for path in ("/tasks", "/runs", "/functions", "/approvals", "/packages", "/store", "/store/notes"):
        before, after = (checked(each.api("owner").get(path)) for each in (full, restored))
        assert after == before, path
        assert after["items"], path
    task = checked(restored.api("owner").get("/tasks"))["items"][0]["id"]
    details = [checked(each.api("owner").get(f"/tasks/{task}")) for each in (full, restored)]
    assert details[0] == details[1]
    pages = [each.session("owner").get(f"/w/acme/tasks/{task}/") for each in (full, restored)]
    assert [page.status_code for page in pages] == [200, 200]
    for artifact in details[1]["artifacts"]:
        contents = [each.api("owner").get(f"/files/{artifact['id']}/content").content for each in (full, restored)]
        assert contents[0] == contents[1]
    wait_until_a_run_works(restored)


def wait_until_a_run_works(installation: Installation) -> None:
    ended = wait_for_end(installation, begin(installation, "by_hand", lines=2, pause=0))
    assert (ended["state"], ended["result"]) == ("succeeded", 2)


def test_a_second_restore_is_refused(restored: Installation, backup: Path) -> None:
    again = restored.run_manage("restore", str(backup), role="owner")
    assert again.returncode != 0
    assert "has accounts or workspaces already" in again.stderr
