"""What the catalogue of hostile programs does not show: which error a refusal is, and a kernel that is lost in mid-run.

The catalogue is in sandbox/hostile/ and fired by test_hostile.py.
"""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import ArtifactEnded, ArtifactSkipped, DockerDriver, Job, Kind

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
