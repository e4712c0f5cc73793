"""Packs as the client tells them, and which files of a folder make one."""

from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from selfsmith import CannotBePushed
from selfsmith.cli import main
from selfsmith.pushing import MOST_FILES, files_below, is_marked, read_files
from tests.sdk.test_transport import Server

RELEASE = {"number": 1, "version": "1.2", "state": "installed", "description": "Words.", "author": "a", "request": None}
PACK = {"id": "0198f4a0-0000-7000-8000-000000000001", "name": "text", "newest": RELEASE, "installed": None}


def test_packs_are_listed_with_their_version_and_what_became_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = {**RELEASE, "number": 2, "version": "1.3", "state": "awaiting_approval"}
    rows = [{**PACK, "newest": newer, "installed": RELEASE}, {**PACK, "newest": newer}]
    client = Server(httpx.Response(200, json={"items": rows, "next": None})).client()
    assert [(each.version, each.state) for each in client.packs.list()] == [
        ("1.2", "awaiting_approval"),
        ("1.3", "awaiting_approval"),
    ]
    monkeypatch.setattr("selfsmith.cli.library.signed_in", lambda: client)
    result = CliRunner().invoke(main, ["packs", "list"])
    assert result.stdout.splitlines()[1].split() == ["text", "1.2", "awaiting_approval", "Words."]


def test_a_folder_gives_its_python_and_its_manifest_and_nothing_hidden_or_linked(tmp_path: Path) -> None:
    wanted = ["a.py", "inside/b.py", "pack.toml"]
    unwanted = [".venv/c.py", "inside/.d.py", "__pycache__/e.py", "notes.txt", "inside/pack.toml"]
    for name in wanted + unwanted:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("import selfsmith  # register_function\n")
    (tmp_path / "linked.py").symlink_to("/etc/hostname")
    found = files_below([tmp_path, tmp_path / "a.py"])
    assert sorted(path.relative_to(tmp_path).as_posix() for path in found) == wanted
    assert all(is_marked(path) for path in found)
    assert sorted(read_files(found, tmp_path)) == wanted


def test_files_that_cannot_be_sent_are_told(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_bytes(b"\xff\xfe")
    with pytest.raises(CannotBePushed, match="UTF-8"):
        read_files([tmp_path / "odd.py"])
    with pytest.raises(CannotBePushed, match="cannot be read"):
        read_files([tmp_path / "gone.py"])
    with pytest.raises(CannotBePushed, match="1 to"):
        read_files([])
    several = [tmp_path / f"n{number}.py" for number in range(MOST_FILES + 1)]
    for path in several:
        path.write_text("")
    with pytest.raises(CannotBePushed, match=str(len(several))):
        read_files(several)
