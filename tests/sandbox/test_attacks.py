"""What the catalogue of hostile programs does not show: which error a refusal is, and a kernel that is lost in mid-run.

The catalogue is in sandbox/hostile/ and fired by test_hostile.py.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import ArtifactEnded, ArtifactSkipped, DockerDriver, Job, Kind, Output
from sandbox.docker_vessel import processes_of
from sandbox.hostile import find_program
from sandbox.hostile.remains import find_left_over, take_footprint

pytestmark = pytest.mark.gvisor
Run = Callable[..., Any]


def test_user_namespaces_and_mounts_are_refused_and_threads_are_not(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import ctypes, errno, os, threading
        def main():
            libc = ctypes.CDLL(None, use_errno=True)
            def refused(number, *arguments):
                ctypes.set_errno(0)
                return libc.syscall(number, *arguments) == -1 and errno.errorcode[ctypes.get_errno()]
            threading.Thread(target=print, args=("thread ran",)).start()
            x86 = {"unshare": 272, "setns": 308, "mount": 165, "ptrace": 101, "process_vm_readv": 310, "keyctl": 250,
                   "bpf": 321}
            said = {name: refused(number, 0x10000000, 0, 0, 0, 0) for name, number in x86.items()}
            said["clone"] = refused(56, 0x10000000 | 17, 0, 0, 0, 0)
            said["clone3"] = refused(435, 0, 0)
            said["foreign"] = refused(0x40000000 | 39)
            return said
        """
    )
    assert told.outcome.ok, told.outcome
    assert told.outcome.result.pop("clone3") == "ENOSYS"
    assert set(told.outcome.result.values()) == {"EPERM"}, told.outcome.result
    assert told.stdout == "thread ran\n"


def test_devices_cannot_be_made_and_pipes_and_files_can(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import os, stat
        def main():
            kinds = {"block": stat.S_IFBLK, "character": stat.S_IFCHR, "pipe": stat.S_IFIFO, "file": stat.S_IFREG}
            said = {}
            for name, kind in kinds.items():
                try:
                    os.mknod(name, kind | 0o600, os.makedev(1, 3))
                    said[name] = "made"
                except PermissionError:
                    said[name] = "refused"
            os.nice(1)
            return said
        """
    )
    assert told.outcome.result == {"block": "refused", "character": "refused", "pipe": "made", "file": "made"}


def test_the_folder_of_artifacts_is_not_followed_where_the_kernel_would(run_boxed: Run) -> None:
    """gVisor opens a link in spite of O_NOFOLLOW when a directory is asked for: every readable file of /etc came out."""
    told = run_boxed("import os\ndef main():\n    os.rmdir('artifacts')\n    os.symlink('/etc', 'artifacts')")
    assert told.outcome.ok
    assert [skipped.name for skipped in told.of(ArtifactSkipped)] == ["artifacts"]


def test_a_file_name_that_the_host_would_refuse_is_left_in_the_box(run_boxed: Run) -> None:
    """The host took the runner for broken, and the run for lost: it was tried again."""
    told = run_boxed("def main():\n    open('artifacts/a\\\\b', 'w').close()\n    open('artifacts/c', 'w').close()")
    assert told.outcome.ok, told.outcome
    assert [ended.name for ended in told.of(ArtifactEnded)] == ["c"]


def test_a_lost_kernel_is_lost_and_the_next_box_is_fine(gvisor: DockerDriver, make_job: Callable[..., Job]) -> None:
    with gvisor.start() as box:
        outcome = box.run(
            make_job("import time\ndef main():\n    print('up')\n    time.sleep(30)"),
            on_event=lambda event: box._vessel.kill() if getattr(event, "data", None) else None,
        )
        assert outcome.kind is Kind.LOST
        assert outcome.started
    with gvisor.start() as box:
        assert box.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok


@pytest.mark.parametrize("part", ["runsc-sandbox", "runsc-gofer", "containerd-shim"])
def test_a_part_of_the_box_that_is_killed_on_the_host_leaves_nothing_behind(
    gvisor: DockerDriver, make_job: Callable[..., Job], part: str
) -> None:
    """Whether the run is lost or gets through without that part: it never hangs, and the next one works."""
    with gvisor.start() as box:
        footprint = take_footprint(gvisor, box)

        def kill_it(event: Any) -> None:
            if isinstance(event, Output):
                kill_part(footprint.container, part)

        outcome = box.run(
            make_job("import time\ndef main():\n    print('up')\n    time.sleep(3)\n    return open('/etc/passwd').read(4)"),
            on_event=kill_it,
        )
    assert outcome.kind is Kind.LOST or outcome.result == "root", outcome
    if part == "runsc-sandbox":
        assert outcome.kind is Kind.LOST
    gvisor.sweep(lambda labels: False)
    assert find_left_over(gvisor, footprint) == []
    with gvisor.start() as box:
        assert box.run(make_job("def main():\n    return 1"), on_event=lambda event: None).ok


def kill_part(container: str, part: str) -> None:
    """End the host process that plays this part for a container."""
    for pid in processes_of(container):
        if part in Path(f"/proc/{pid}/cmdline").read_text() or part in Path(f"/proc/{pid}/comm").read_text():
            os.kill(pid, signal.SIGKILL)
            return
    raise AssertionError(f"no process of the box is its {part}")


def test_two_boxes_share_no_chance(gvisor: DockerDriver, make_job: Callable[..., Job]) -> None:
    """Else what one run draws, another could know: random numbers, hashes of text, identifiers."""
    program = find_program("chance-is-not-copied")
    assert program is not None
    drawn = []
    for _ in range(2):
        with gvisor.start() as box:
            drawn.append(box.run(program.job(), on_event=lambda event: None).result)
    assert not set(map(str, drawn[0])) & set(map(str, drawn[1]))
