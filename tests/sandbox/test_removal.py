"""Removing what a box leaves: from an engine that is busy with its end, and beside somebody else."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from sandbox import SandboxUnavailable, docker_vessel
from sandbox.docker_vessel import DockerVessel
from sandbox.doorway import remove_folder

BUSY = APIError("500 Server Error", explanation="unable to remove filesystem: unlinkat /x: directory not empty")

FULL = APIError("500 Server Error", explanation="the disk is full")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_vessel, "_REMOVE_AGAIN_SECONDS", 0)


def vessel(*answers: Exception | None) -> tuple[DockerVessel, Iterator[Any]]:
    """One whose engine answers thus, and what it has not answered yet."""
    left = iter(answers)

    def remove(**_: Any) -> None:
        if (answer := next(left)) is not None:
            raise answer

    return DockerVessel(SimpleNamespace(id="x", remove=remove)), left  # type: ignore[arg-type]


def test_a_container_whose_folder_was_written_to_meanwhile_is_removed_again() -> None:
    made, left = vessel(BUSY, BUSY, None)
    made.remove()
    assert list(left) == []


def test_one_that_went_meanwhile_is_gone() -> None:
    made, left = vessel(BUSY, NotFound("404"), None)
    made.remove()
    assert list(left) == [None]


@pytest.mark.parametrize(
    "answers", [[BUSY] * 3, [APIError("500", explanation="the disk is full")]], ids=["for ever", "another fault"]
)
def test_what_stays_in_the_way_is_said(answers: list[Exception]) -> None:
    made, _ = vessel(*answers)
    with pytest.raises(SandboxUnavailable):
        made.remove()


def test_two_sweeps_that_remove_one_folder_are_both_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "box"
    (folder / "control").mkdir(parents=True)
    real = os.rmdir

    def after_somebody_else(path: str, **how: Any) -> None:
        real(path, **how)
        real(path, **how)

    monkeypatch.setattr(os, "rmdir", after_somebody_else)
    remove_folder(folder)
    remove_folder(folder)
    assert not folder.exists()
