"""A container's control groups, version 1 and 2: freezing, noticing that memory ran out, and what was used.

Docker's own pause is no substitute: under gVisor it leaves the box using processor time (measured).
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sandbox.usage import Usage

_ROOT = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_THAW_SECONDS = 2.0


class Cgroup(Protocol):
    """What is done with a container's groups."""

    def freeze(self) -> None:
        """Stop every process in it."""

    def thaw(self) -> None:
        """Let them go on, whoever froze them; returns when they do. Does nothing for a group that is gone."""

    def ran_out_of_memory(self) -> bool:
        """Whether it ever did, as far as can be seen from here, even after the container has ended."""

    def usage(self) -> Usage:
        """What it has used since it was made; nothing is known of a group that is gone."""

    def close(self) -> None:
        """Give back what is held open."""


def find_cgroup(pid: int) -> Cgroup | None:
    """The groups of a container by its first process; None where this process may not use them."""
    try:
        lines = (_PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    paths = {name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")}
    if "freezer" in paths and "memory" in paths:
        freezer, memory = (_ROOT / name / paths[name].lstrip("/") for name in ("freezer", "memory"))
        processor = _ROOT / "cpuacct" / paths["cpuacct"].lstrip("/") if "cpuacct" in paths else None
        return CgroupV1(freezer, memory, processor) if os.access(freezer / "freezer.state", os.W_OK) else None
    unified = _ROOT / paths.get("", "/").lstrip("/")
    return CgroupV2(unified) if os.access(unified / "cgroup.freeze", os.W_OK) else None


class CgroupV1:
    """Freezer by state file; memory shortage by an event counter, because the files go with the container."""

    def __init__(self, freezer: Path, memory: Path, processor: Path | None = None) -> None:
        self._processor = processor
        self._state = freezer / "freezer.state"
        self._memory = memory
        self._shortages = 0
        self._counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        control = os.open(memory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            (memory / "cgroup.event_control").write_text(f"{self._counter} {control}")
        finally:
            os.close(control)

    def freeze(self) -> None:
        self._state.write_text("FROZEN")

    def thaw(self) -> None:
        with _gone_is_fine():
            self._state.write_text("THAWED")

    def ran_out_of_memory(self) -> bool:
        # The kernel counts one more when the group itself goes away. Looking for the group first errs on the side
        # of counting that one as a shortage, looking last on the other; so it is done on both sides until it agrees.
        while True:
            before = self._memory.exists()
            with contextlib.suppress(BlockingIOError):
                self._shortages += os.eventfd_read(self._counter)
            if before == self._memory.exists():
                return self._shortages > (0 if before else 1)

    def usage(self) -> Usage:
        nanoseconds = _number(self._processor / "cpuacct.usage") if self._processor else None
        return Usage(
            cpu_seconds=None if nanoseconds is None else nanoseconds / 1e9,
            peak_memory_bytes=_number(self._memory / "memory.max_usage_in_bytes"),
        )

    def close(self) -> None:
        os.close(self._counter)


class CgroupV2:
    """Freezer and memory events by the unified files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Held open: a read still answers for a moment after the last process has gone.
        self._events = (folder / "memory.events").open()

    def freeze(self) -> None:
        (self._folder / "cgroup.freeze").write_text("1")

    def thaw(self) -> None:
        with _gone_is_fine():
            (self._folder / "cgroup.freeze").write_text("0")
            self._wait_until_thawed()

    def _wait_until_thawed(self) -> None:
        deadline = time.monotonic() + _THAW_SECONDS
        while "frozen 1" in (self._folder / "cgroup.events").read_text() and time.monotonic() < deadline:
            time.sleep(0.0005)

    def ran_out_of_memory(self) -> bool:
        try:
            self._events.seek(0)
            counts = dict(line.split() for line in self._events.read().splitlines())
        except OSError:
            return False  # the files are gone with the container; the engine's own word remains
        return int(counts.get("oom_kill", 0)) > 0

    def usage(self) -> Usage:
        try:
            counts = dict(line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
        except OSError:
            return Usage()
        return Usage(
            cpu_seconds=int(counts["usage_usec"]) / 1e6 if "usage_usec" in counts else None,
            peak_memory_bytes=_number(self._folder / "memory.peak"),  # since Linux 5.19
        )

    def close(self) -> None:
        self._events.close()


def _number(file: Path) -> int | None:
    """What stands in it; None when it is gone, or never was."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
