"""What processes and boxes use, as the kernel counts it."""

import os
from collections.abc import Iterable
from pathlib import Path

from sandbox.cgroup import find_cgroup
from sandbox.docker_vessel import processes_of
from tests.processes.installation import Installation, connect_to

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
IDLE = (3, 4)  # of the first line of /proc/stat after its name: waiting for nothing, and for a disk
COUNTED = 8  # the fields after these are guests', which are in the first already
PARENT, USED = 1, slice(11, 15)  # of /proc/<pid>/stat after the name: utime, stime, and both of ended children
SHARE = "Pss:"  # memory that several processes share is counted once in all


def cpu_seconds(root: int) -> float:
    """Of a process and all that it started, those that have ended too."""
    return sum(sum(map(int, fields[USED])) for fields in _tree(root).values()) / TICKS


def busy_seconds() -> float:
    """Of all cores since the machine began, whoever used them."""
    fields = (PROC / "stat").read_text().splitlines()[0].split()[1:][:COUNTED]
    return sum(int(ticks) for place, ticks in enumerate(fields) if place not in IDLE) / TICKS


def memory_bytes(pids: Iterable[int]) -> int:
    """Proportional set size; a process that has ended meanwhile has none."""
    return sum(_share(pid) for pid in pids)


def tree_of(root: int) -> list[int]:
    return list(_tree(root))


def roots_of(installation: Installation) -> dict[str, int]:
    """Name → process id of everything that the installation consists of, boxes apart. PostgreSQL is the whole server."""
    with connect_to("postgres", "selfsmith_app") as server:
        ours = server.info.backend_pid  # its parent is the server; the connection is open, so it is there
        postgres = int(_fields(ours)[PARENT])
    return {**{name: process.pid for name, process in installation.processes.items()}, "PostgreSQL": postgres}


def box_cpu_seconds(pid: int) -> float:
    """Of a box by its first process, gVisor's kernel included.

    Raises: LookupError where the kernel does not tell.
    """
    group = find_cgroup(pid)
    if group is None:
        raise LookupError("The control group of a box cannot be read.")
    try:
        used = group.usage().cpu_seconds
    finally:
        group.close()
    if used is None:
        raise LookupError("The processor time of a box cannot be read.")
    return used


def box_memory_bytes(container_id: str) -> int:
    """Of all processes of the engine and of gVisor that serve one box."""
    return memory_bytes(processes_of(container_id))


def _tree(root: int) -> dict[int, list[str]]:
    everybody = {int(folder.name): _fields(int(folder.name)) for folder in PROC.iterdir() if folder.name.isdigit()}
    found, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        if fields := everybody.get(pid):
            found[pid] = fields
            waiting += [child for child, theirs in everybody.items() if theirs and int(theirs[PARENT]) == pid]
    return found


def _fields(pid: int) -> list[str]:
    """What stands after the name, which may have blanks; nothing for a process that has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _share(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(SHARE))
