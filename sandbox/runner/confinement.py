"""Takes a forked child's powers away: uid, groups, capabilities, resources, system calls. Nothing here gives any back."""

import ctypes
import os
import resource
import signal
import threading
from collections.abc import Mapping
from typing import Any

from . import syscall_filter
from .settings import Settings

TOOL_ID = 65534
MIB = 1 << 20
# Room kept for writing down what went wrong once the tool has used up its own.
LAST_WORDS_BYTES = 32 * MIB
# Of a thread. The usual 8 MiB would use up a plain tool's address space with some ten threads.
_STACK_BYTES = 1 * MIB
_PR_SET_PDEATHSIG = 1


def confine(settings: Settings) -> None:
    """Make the calling process the tool's user, in a session of its own, without a way back. Before any job is known."""
    os.setsid()
    signal.set_wakeup_fd(-1)  # the runner's, whose number may be another file's by now
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.umask(0o077)
    _limit(resource.RLIMIT_CORE, 0)
    if not settings.confined:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return
    os.setgroups([])
    os.setresgid(TOOL_ID, TOOL_ID, TOOL_ID)
    os.setresuid(TOOL_ID, TOOL_ID, TOOL_ID)
    syscall_filter.install()


def apply_limits(limits: Mapping[str, Any], *, settings: Settings, with_packages: bool) -> None:
    """The job's own limits, for good: soft and hard. Processes are counted per uid, so only where the uid is the tool's.

    Memory is limited as address space, because only that gives a clean MemoryError. Native libraries reserve far more
    than they use, so with packages the figure is wide and the box's own memory limit is what holds.
    """
    cpu = int(limits["cpu_seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    _limit(resource.RLIMIT_NOFILE, limits["open_files"])
    _limit(resource.RLIMIT_FSIZE, limits["scratch_bytes"])
    memory = int(limits["memory_bytes"])
    space = max(4 * memory, 1024 * MIB) if with_packages else max(memory - 64 * MIB, 48 * MIB)
    resource.setrlimit(resource.RLIMIT_AS, (space, space + LAST_WORDS_BYTES))
    if not with_packages:
        threading.stack_size(_STACK_BYTES)
    if settings.confined:
        _limit(resource.RLIMIT_NPROC, limits["processes"])


def free_last_words() -> None:
    """Raise the address space to its hard limit, so that an error can still be described."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def count_tasks() -> int:
    """Processes and threads of the tool, as RLIMIT_NPROC counts them: all in the box but the runner, ended ones too."""
    total = 0
    runners = {"1", str(os.getppid())}  # two in a box that is kept for several jobs
    for name in filter(str.isdigit, os.listdir("/proc")):
        if name not in runners:
            try:
                total += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                total += 1
    return total


def _limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))
