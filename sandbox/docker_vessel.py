"""A container as a box's vessel, and how it is created: every argument that keeps a tool in is here."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from requests.exceptions import RequestException

from sandbox.cgroup import Cgroup, find_cgroup
from sandbox.errors import SandboxUnavailable
from sandbox.job import BoxSize
from sandbox.runner.settings import Settings
from sandbox.usage import Usage

log = logging.getLogger(__name__)
RUNNER = Path(__file__).parent / "runner"
RUNNER_PACKAGE = "_selfsmith_runner"
BOOTSTRAP = f"import sys; sys.path.insert(0, sys.argv[1]); from {RUNNER_PACKAGE}.start import start; start(sys.argv[2])"

# One thread each for the numeric libraries: threads times address space would exceed the job's limits.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108 (the box's own, and all of it that can be written to)
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}

_REMOVE_AGAIN_SECONDS = 0.2

# The host's threads of gVisor's kernel count here, and reaching the limit kills it; 30 to 35 of them idle (measured).
# What limits a tool's processes is RLIMIT_NPROC inside.
_HOST_THREADS = 1024


def create_arguments(*, runtime: str, size: BoxSize, labels: Mapping[str, str], mounts: Mapping[Path, str]) -> dict[str, Any]:
    """Arguments for the engine's create call. `mounts`: host folder → place in the box; all read-only.

    The runner is root without any power but to take another uid and to end that uid's processes.
    """
    return {
        "command": ["python3", "-I", "-B", "-c", BOOTSTRAP, "/opt/selfsmith", Settings().to_text()],
        "runtime": runtime,
        "user": "0:0",
        "environment": _ENVIRONMENT,
        "working_dir": "/",
        "hostname": "sandbox",
        "labels": dict(labels),
        "network_mode": "none",
        "dns": ["127.0.0.1"],
        "ipc_mode": "private",
        "read_only": True,
        "tmpfs": {
            "/tmp": f"size={size.scratch_bytes},nosuid,nodev,mode=1777",  # noqa: S108 (the box's own)
            "/sys/fs/cgroup": "size=4096,ro,nosuid,nodev,noexec,mode=555",  # instead of groups named by the container's id
        },
        "shm_size": 16 << 20,
        "volumes": {str(host): {"bind": place, "mode": "ro"} for host, place in mounts.items()},
        "cap_drop": ["ALL"],
        "cap_add": ["SETUID", "SETGID", "KILL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": size.memory_bytes,
        "memswap_limit": size.memory_bytes,
        # The engine refuses more than its host has; the limit says "at most", so that many it is.
        "nano_cpus": int(min(size.cores, os.cpu_count() or 1) * 10**9),
        "pids_limit": _HOST_THREADS,
        "log_config": {"Type": "none"},
        "restart_policy": {"Name": "no"},
        "init": False,
        # The runner heeds no other, and an engine that ends or comes back would wait ten seconds for it to.
        "stop_signal": "SIGKILL",
        "detach": True,
    }


class DockerVessel:
    """One container."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.cgroup: Cgroup | None = None
        self._removed = False

    def freeze(self) -> bool:
        if self.cgroup is not None:
            self.cgroup.freeze()
        return self.cgroup is not None

    def thaw(self) -> None:
        if self.cgroup is not None:
            self.cgroup.thaw()

    def kill(self) -> None:
        """Also without the engine: a job that was stopped must not go on."""
        self.thaw()
        try:
            with engine_faults(), ended_is_fine():
                self.container.kill()
        except SandboxUnavailable as error:
            log.error("box.killed_without_engine container=%s error=%s", self.container.id, error)
            end_processes_of(str(self.container.id))

    def remove(self) -> None:
        if self._removed:
            return
        self.thaw()
        try:
            with engine_faults():
                self._remove_container()
        finally:
            if self.cgroup is not None:
                self.cgroup.close()
                self.cgroup = None
        self._removed = True

    def _remove_container(self) -> None:
        """Again when Docker wrote about the container's end into the folder that it was removing (seen under load)."""
        for is_last in (False, False, True):
            try:
                with ended_is_fine():
                    self.container.remove(force=True)
                return
            except APIError as error:
                if is_last or "directory not empty" not in str(error):
                    raise
                time.sleep(_REMOVE_AGAIN_SECONDS)

    def is_running(self) -> bool:
        try:
            self.container.reload()
        except NotFound:
            return False
        return self.container.status in ("created", "running")

    def rename(self, name: str) -> None:
        try:
            with ended_is_fine():
                self.container.rename(name)
        except (DockerException, RequestException) as error:
            log.warning("box.not_renamed container=%s error=%s", self.container.id, error)

    def ran_out_of_memory(self, *, asks_engine: bool = True) -> bool:
        """By the kernel's own count, or by the engine's flag: each misses cases that the other sees (measured).

        An engine that does not answer has seen nothing: the job then ends as lost, not as if it had never begun.
        """
        if self.cgroup is not None and self.cgroup.ran_out_of_memory():
            return True
        return asks_engine and self._engine_saw_shortage()

    def _engine_saw_shortage(self) -> bool:
        try:
            with engine_faults():
                self.container.reload()
        except SandboxUnavailable as error:  # it has gone, or the engine has: the job has ended, and so much is known
            log.warning("box.end_not_known container=%s error=%s", self.container.id, error)
            return False
        return bool(self.container.attrs["State"]["OOMKilled"])

    def usage(self) -> Usage:
        return self.cgroup.usage() if self.cgroup is not None else Usage()


@contextlib.contextmanager
def ended_is_fine() -> Iterator[None]:
    """What is asked of the engine may have happened already: not found, or in progress, or not running."""
    try:
        yield
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != 409:
            raise


@contextlib.contextmanager
def engine_faults() -> Iterator[None]:
    """What the engine refuses or does not answer, as SandboxUnavailable."""
    try:
        yield
    except APIError as error:
        raise SandboxUnavailable(f"Docker refused: {error.explanation or error}") from error
    except (DockerException, RequestException) as error:
        raise SandboxUnavailable(f"Docker does not answer. Is dockerd running? ({error})") from error


def end_processes_of(container_id: str) -> int:
    """End host processes that a container left behind: a failed start leaves gVisor's own, unknown to the engine."""
    ended = 0
    for pid in processes_of(container_id):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # a worker without root may not
            os.kill(pid, signal.SIGKILL)
            ended += 1
    return ended


def thaw_processes_of(container_id: str) -> None:
    """Let a container go on without asking the engine, which may be waiting for just that."""
    for pid in processes_of(container_id):
        if (group := find_cgroup(pid)) is not None:
            group.thaw()
            group.close()


def processes_of(container_id: str) -> list[int]:
    """Host processes of the engine and of gVisor that work for this container."""
    folders = (folder for folder in Path("/proc").iterdir() if folder.name.isdigit() and int(folder.name) != os.getpid())
    return [int(folder.name) for folder in folders if _belongs(folder, container_id)]


def _belongs(folder: Path, container_id: str) -> bool:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    program = words[0].rpartition(b"/")[2]
    return program.startswith((b"runsc", b"containerd-shim")) and any(container_id.encode() in word for word in words)
