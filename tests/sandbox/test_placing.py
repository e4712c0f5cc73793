"""A worker in a container puts the runner's sources where the engine sees them."""

from pathlib import Path

import pytest

from sandbox import placing
from sandbox.docker_vessel import RUNNER


def test_the_copy_has_every_source_and_a_second_worker_uses_the_same(tmp_path: Path) -> None:
    first = placing.place_runner(tmp_path / "runner")
    assert placing.place_runner(tmp_path / "runner") == first
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in RUNNER.glob("*.py")
    }
    assert [entry.name for entry in (tmp_path / "runner").iterdir()] == [first.name]


def test_another_version_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = placing.place_runner(tmp_path / "runner")
    changed = tmp_path / "sources"
    changed.mkdir()
    (changed / "start.py").write_text("another")
    monkeypatch.setattr(placing, "RUNNER", changed)
    second = placing.place_runner(tmp_path / "runner")
    assert first != second
    assert (first / "start.py").read_text() != (second / "start.py").read_text() == "another"
