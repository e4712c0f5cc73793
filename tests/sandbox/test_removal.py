"""Removing what a box leaves: from an engine that is busy with its end, and beside somebody else."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

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


@pytest.mark.parametrize(
    "fault", [FULL, DockerException("gone"), RequestException("no socket")], ids=["refusal", "client", "wire"]
)
def test_an_engine_that_does_not_answer_does_not_take_a_job_s_end_away(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """How it ended is known by then; an error here would pass for a box that never was, and the job would be done again."""

    def refuse() -> None:
        raise fault

    ended: list[str] = []
    monkeypatch.setattr(docker_vessel, "end_processes_of", lambda container: ended.append(container) or 1)
    made = DockerVessel(SimpleNamespace(id="x", kill=refuse, reload=refuse, attrs={}))  # type: ignore[arg-type]
    made.kill()
    assert ended == ["x"]
    assert not made.ran_out_of_memory()


def test_one_that_is_gone_ran_out_of_memory_as_far_as_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise NotFound("404")

    made = DockerVessel(SimpleNamespace(id="x", reload=gone, attrs={"State": {"OOMKilled": False}}))  # type: ignore[arg-type]
    assert not made.ran_out_of_memory()


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
