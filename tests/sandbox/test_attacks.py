"""Hostile programs against a real box, named by what they try. None may end well, harm another box, or leave anything."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import ArtifactEnded, DockerDriver, Job, Kind, Limits

pytestmark = pytest.mark.gvisor
Run = Callable[..., Any]
MIB = 1 << 20


def test_eating_memory_in_python_is_oom_with_the_line(run_boxed: Run) -> None:
    outcome = run_boxed("def main():\n    held = []\n    while True:\n        held.append(bytearray(8 << 20))").outcome
    assert outcome.kind is Kind.OOM
    assert outcome.error.line == 4


FORKED = """
import os, time
def main():
    while True:
        if os.fork() == 0:
            held = bytearray(60 << 20)
            time.sleep(60)
"""
MEMORY_FILE = """
import os
def main():
    file = os.memfd_create("x")
    while True:
        os.pwrite(file, b"x" * (1 << 20), os.fstat(file).st_size)
"""
PIPES = """
import fcntl, os
def main():
    for reading, writing in [os.pipe() for _ in range(400)]:
        os.set_blocking(writing, False)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
        try:
            while True:
                os.write(writing, b"x" * 65536)
        except BlockingIOError:
            pass
"""


@pytest.mark.parametrize("text", [FORKED, MEMORY_FILE, PIPES], ids=["forked children", "memory file", "pipes"])
def test_eating_memory_beside_python_ends_the_box_and_is_never_ok(run_boxed: Run, text: str) -> None:
    limits = Limits(memory_bytes=192 * MIB, scratch_bytes=512 * MIB, wall_seconds=30)
    outcome = run_boxed(text, limits=limits).outcome
    assert outcome.kind is Kind.OOM, outcome.message


def test_a_fork_bomb_hits_the_limit_of_processes(run_boxed: Run) -> None:
    text = "import os, time\ndef main():\n    while True:\n        if os.fork() == 0:\n            time.sleep(60)"
    outcome = run_boxed(text, limits=Limits(processes=8, wall_seconds=30)).outcome
    assert outcome.kind is Kind.PROCESSES
    assert outcome.error.line == 4


def test_an_exponential_fork_bomb_is_contained(run_boxed: Run) -> None:
    text = "import os\ndef main():\n    while True:\n        try: os.fork()\n        except OSError: pass"
    outcome = run_boxed(text, limits=Limits(processes=40, wall_seconds=5)).outcome
    assert outcome.kind in (Kind.TIMEOUT, Kind.OOM)


def test_too_many_threads_hit_the_limit_of_processes(run_boxed: Run) -> None:
    text = (
        "import threading, time\ndef main():\n    while True:\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    assert run_boxed(text, limits=Limits(processes=20, wall_seconds=30)).outcome.kind is Kind.PROCESSES


def test_filling_the_disk_is_named(run_boxed: Run) -> None:
    text = "def main():\n    for n in range(100):\n        open(f'/tmp/{n}', 'wb').write(bytes(4 << 20))"
    outcome = run_boxed(text, limits=Limits(scratch_bytes=16 * MIB, wall_seconds=30)).outcome
    assert outcome.kind is Kind.DISK


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


def test_there_is_no_way_to_write_outside_of_scratch_space(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import os, pathlib
        def main():
            written = []
            for folder in ("/", "/etc", "/usr/bin", "/opt/selfsmith", "/opt/selfsmith/_selfsmith_runner", "/control",
                           "/environments", "/dev", "/proc", "/sys", "/root", "/var", "/proc/sys/kernel"):
                try:
                    pathlib.Path(folder, "x").write_text("x")
                    written.append(folder)
                except OSError:
                    pass
            return written
        """
    )
    assert told.outcome.result == []


def test_the_first_process_has_nothing_to_steal(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import os
        def main():
            def attempt(action, *arguments):
                try:
                    return repr(action(*arguments))
                except OSError as error:
                    return error.__class__.__name__
            environment = open("/proc/1/environ").read()
            return {
                "secret of a job": "hunter2" in environment + open("/proc/1/cmdline").read(),
                "memory": attempt(open, "/proc/1/mem", "rb"),
                "kill": attempt(os.kill, 1, 9),
                "root": attempt(os.setuid, 0),
                "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")],
            }
        """,
        secrets={"KEY": "hunter2"},
    )
    assert told.outcome.ok, told.outcome
    result = told.outcome.result
    assert result["secret of a job"] is False
    assert result["kill"] == result["root"] == "PermissionError"
    assert result["memory"] == "PermissionError"
    inherited, permitted, effective, _, *ambient = (int(value, 16) for value in result["capabilities"])
    assert not any((inherited, permitted, effective, *ambient))


def test_the_socket_to_the_host_cannot_be_reached_again(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import os, socket
        def main():
            listed = os.listdir("/control")
            fresh = socket.socket(socket.AF_UNIX).connect_ex("/control/socket")
            reopened = []
            for process in ("1", "self"):
                try:
                    for name in os.listdir(f"/proc/{process}/fd"):
                        try:
                            target = os.readlink(f"/proc/{process}/fd/{name}")
                            if "socket" in target:
                                reopened.append(os.open(f"/proc/{process}/fd/{name}", os.O_RDWR))
                        except OSError:
                            pass
                except OSError:
                    pass
            return [listed, fresh != 0, reopened]
        """
    )
    assert told.outcome.result == [[], True, []]


@pytest.mark.parametrize("then", ["return 'honest'", "os._exit(0)", "raise ValueError"], ids=["returns", "leaves", "fails"])
def test_forged_frames_on_every_descriptor_reach_nobody(run_boxed: Run, then: str) -> None:
    told = run_boxed(
        f"""
        import json, os, struct
        def main():
            error, end = {{"type": "x", "message": "forged", "limit": None}}, {{"code": 0, "signal": None}}
            for kind, value in ((4, error), (5, end), (3, "forged"), (3, "forged")):
                data = json.dumps(value).encode()
                frame = struct.pack(">IB", len(data), kind) + data
                for descriptor in range(1024):
                    try: os.write(descriptor, frame)
                    except OSError: pass
                for name in os.listdir("/proc/1/fd") if os.access("/proc/1/fd", os.R_OK) else ():
                    try: os.write(os.open(f"/proc/1/fd/{{name}}", os.O_WRONLY | os.O_NONBLOCK), frame)
                    except OSError: pass
            {then}
        """
    )
    assert told.outcome.kind is Kind.ERROR
    assert told.outcome.result is None


def test_a_daemon_dies_with_its_run_and_is_heard_no_more(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import os, time
        def main():
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    while True:
                        os.write(1, b"still here\\n")
                        open("/tmp/work/artifacts/late", "w").close()
                        time.sleep(0.001)
                os._exit(0)
            deadline = time.monotonic() + 10
            while not os.path.exists("artifacts/late") and time.monotonic() < deadline:
                time.sleep(0.005)
            return "done"
        """
    )
    assert told.outcome.result == "done"
    assert "still here" in told.stdout


def test_ignoring_every_signal_does_not_help(run_boxed: Run) -> None:
    text = (
        "import signal\ndef main():\n    for n in range(1, 32):\n        try: signal.signal(n, signal.SIG_IGN)\n"
        "        except OSError: pass\n    while True: pass"
    )
    assert run_boxed(text, limits=Limits(wall_seconds=1, cpu_seconds=20)).outcome.kind is Kind.TIMEOUT


def test_a_loop_that_holds_the_interpreter_is_ended_too(run_boxed: Run) -> None:
    assert run_boxed("def main():\n    return 10 ** 10 ** 9", limits=Limits(wall_seconds=1)).outcome.kind is Kind.TIMEOUT


def test_a_tool_that_moves_its_artifacts_away_leads_nobody_astray(run_boxed: Run) -> None:
    told = run_boxed("import os\ndef main():\n    os.rmdir('artifacts')\n    os.symlink('/etc', 'artifacts')")
    assert told.outcome.ok
    assert told.of(ArtifactEnded) == []


def test_a_tree_of_a_thousand_folders_is_left(run_boxed: Run) -> None:
    text = (
        "import os\ndef main():\n    os.chdir('artifacts')\n    for n in range(1000):\n"
        "        os.mkdir('d')\n        os.chdir('d')\n    open('deep', 'w').close()"
    )
    told = run_boxed(text)
    assert told.outcome.ok
    assert told.of(ArtifactEnded) == []


def test_there_is_no_network_and_no_name_service(run_boxed: Run) -> None:
    told = run_boxed(
        """
        import socket
        def main():
            reached = []
            for address in (("169.254.169.254", 80), ("10.0.0.1", 80), ("172.17.0.1", 2375), ("1.1.1.1", 443)):
                try:
                    socket.create_connection(address, timeout=1)
                    reached.append(address)
                except OSError:
                    pass
            try:
                socket.getaddrinfo("pypi.org", 443)
                reached.append("names")
            except OSError:
                pass
            return [reached, socket.gethostname(), sorted(name for _, name in socket.if_nameindex())]
        """
    )
    reached, hostname, interfaces = told.outcome.result
    assert reached == []
    assert hostname == "sandbox"
    assert interfaces in ([], ["lo"])


def test_environments_cannot_be_listed(gvisor: DockerDriver, make_job: Callable[..., Job]) -> None:
    text = "import os\ndef main():\n    try: return os.listdir('/environments')\n    except PermissionError: return 'refused'"
    with gvisor.start() as box:
        (gvisor.environments / ("c" * 64)).mkdir()
        assert box.run(make_job(text), on_event=lambda event: None).result == "refused"


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
