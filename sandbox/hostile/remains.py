"""What a box of the Docker driver has on its host, and what of it is still there afterwards."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.box import Box
from sandbox.docker_driver import DockerDriver
from sandbox.docker_vessel import processes_of
from sandbox.doorway import read_notes

_GROUPS = Path("/sys/fs/cgroup")
# An engine tells that a container is gone a little before its last process is.
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Footprint:
    """Where a box is, taken while it lives."""

    box: str
    container: str
    folder: Path
    groups: tuple[Path, ...]


def take_footprint(driver: DockerDriver, box: Box) -> Footprint:
    """Must be taken before the box is destroyed."""
    folder = driver.home / box.id
    container = read_notes(folder)["container"]
    groups = {group for pid in processes_of(container) for group in _groups_of(pid) if container in str(group)}
    return Footprint(box.id, container, folder, tuple(sorted(groups)))


def find_left_over(driver: DockerDriver, footprint: Footprint) -> list[str]:
    """Containers, processes, control groups, folders and sockets that outlived the box. Waits for them a little."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := list(_left(driver, footprint))) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return left


def _left(driver: DockerDriver, footprint: Footprint) -> Iterator[str]:
    looks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("container", lambda: driver.has_container(footprint.box)),
        ("processes", lambda: processes_of(footprint.container)),
        ("socket", (footprint.folder / "control" / "socket").exists),
        ("folder", footprint.folder.exists),
        *((f"control group {group}", group.exists) for group in footprint.groups),
    )
    yield from (name for name, is_there in looks if is_there())


def _groups_of(pid: int) -> Iterator[Path]:
    """Under version 1 one folder per controller, under version 2 one in all."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return  # it has ended
    for line in lines:
        _, names, path = line.split(":", 2)
        for controller in names.removeprefix("name=").split(","):
            folder = _GROUPS / controller / path.lstrip("/")
            if folder.is_dir():
                yield folder
