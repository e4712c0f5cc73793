"""Programs that multiply, outlive themselves, or turn on the processes around them."""

from sandbox.hostile.program import BRIEF, Theme, all_of, keeps, returns
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("processes")
_attack, _probe = THEME.attack, THEME.probe
_FEW = Limits(wall_seconds=20, cpu_seconds=10, processes=8)

_attack(
    "fork-bomb",
    "Forks sleeping children for ever.",
    "import os, time\ndef main():\n    while True:\n        if os.fork() == 0:\n            time.sleep(60)\n            os._exit(0)\n",
    Kind.PROCESSES,
    expected="too many processes",
    limits=_FEW,
)
_attack(
    "exponential-fork-bomb",
    "Every child forks as well.",
    "import os\ndef main():\n    while True:\n        try:\n            os.fork()\n        except OSError:\n            pass\n",
    Kind.TIMEOUT,
    Kind.OOM,
    Kind.PROCESSES,
    expected="the wall, or out of memory, or too many processes",
    limits=Limits(wall_seconds=3, cpu_seconds=10, processes=24),
)
_attack(
    "fork-bomb-after-namespace",
    "Tries to leave the count behind in a user namespace of its own first.",
    """
import ctypes, os, time
def main():
    ctypes.CDLL(None).unshare(0x10000000)
    while True:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
""",
    Kind.PROCESSES,
    expected="too many processes, as without the namespace",
    limits=_FEW,
)
_attack(
    "thread-bomb",
    "Starts sleeping threads for ever.",
    """
import threading, time
def main():
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
""",
    Kind.PROCESSES,
    expected="too many threads",
    limits=Limits(wall_seconds=20, cpu_seconds=10, processes=16),
)
_attack(
    "one-program-too-many",
    "Starts programs until the limit says no.",
    """
import subprocess
def main():
    held = []
    while True:
        held.append(subprocess.Popen(["/usr/bin/sleep", "60"]))
""",
    Kind.PROCESSES,
    expected="too many processes",
    limits=_FEW,
)
_attack(
    "children-nobody-waits-for",
    "Leaves a row of dead children without taking their status.",
    """
import os
def main():
    for _ in range(40):
        if os.fork() == 0:
            os._exit(0)
    return "left"
""",
    Kind.OK,
    Kind.PROCESSES,
    expected="ok, or too many processes",
)
_attack(
    "daemon",
    "Forks twice into a session of its own, goes on writing, and lets the parent return.",
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
""",
    Kind.OK,
    expected="the parent's result; the daemon is dead before the files are taken",
    holds=all_of(returns("done"), keeps("late")),
)
_attack(
    "orphan-keeps-pipes-open",
    "Leaves a child that holds every pipe open and sleeps, so that their end never comes.",
    """
import os, signal, time
def main():
    if os.fork() == 0:
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        time.sleep(600)
    return "done"
""",
    Kind.OK,
    expected="the parent's result, at once",
    holds=returns("done"),
    limits=Limits(wall_seconds=10, cpu_seconds=10),
)
_attack(
    "grandchildren-in-every-session",
    "Leaves children in sessions and groups of their own, behind a subreaper.",
    """
import ctypes, os, time
def main():
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    for _ in range(6):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setpgid(0, 0)
                time.sleep(600)
            os._exit(0)
    return "done"
""",
    Kind.OK,
    expected="the parent's result, and nobody is left",
    holds=returns("done"),
)
_attack(
    "copies-that-return",
    "Forks copies that all return from the function, each with a result of its own.",
    """
import os
def main():
    parent = os.getpid()
    for _ in range(5):
        os.fork()
    if os.getpid() != parent:
        return "a copy"
    return "the original"
""",
    Kind.OK,
    Kind.OOM,
    expected="only the original's result counts",
    holds=lambda heard: "" if heard.outcome.result in ("the original", None) else "a copy spoke for the tool",
)
_attack(
    "kill-everybody",
    "Sends SIGKILL to every process that it may send it to.",
    "import os, time\ndef main():\n    os.kill(-1, 9)\n    os.kill(os.getpid(), 9)\n    time.sleep(5)\n",
    Kind.ERROR,
    expected="the tool's own error: its process was ended by a signal",
)
_attack(
    "stop-everybody",
    "Stops itself and its children by SIGSTOP, so that nobody is there to be waited for.",
    "import os, signal\ndef main():\n    os.fork()\n    os.kill(0, signal.SIGSTOP)\n    return 'went on'\n",
    Kind.TIMEOUT,
    expected="the wall",
    limits=BRIEF,
)
_probe(
    "signals-to-the-runner",
    "Sends the box's first process every signal.",
    """
def main():
    return {str(number): attempt(os.kill, 1, number) for number in (1, 2, 3, 9, 10, 11, 15, 17, 19, 20, 24)}

def control():
    import time
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    said = {str(number): attempt(os.kill, pid, number) for number in (10, 19, 24, 9)}
    os.waitpid(pid, 0)
    return said
""",
)
_attack(
    "threads-that-never-end",
    "Returns while threads that are no daemons spin.",
    """
import threading
def main():
    def spin():
        while True:
            pass
    for _ in range(3):
        threading.Thread(target=spin).start()
    return "done"
""",
    Kind.OK,
    expected="the result, without waiting for the threads",
    holds=returns("done"),
    limits=Limits(wall_seconds=15, cpu_seconds=10),
)
_attack(
    "pool-left-open",
    "Leaves a pool of worker processes that was never closed.",
    """
import multiprocessing
def main():
    pool = multiprocessing.get_context("fork").Pool(3)
    numbers = pool.map(abs, [-1, -2])
    globals()["kept"] = pool
    return numbers
""",
    Kind.OK,
    Kind.ERROR,
    expected="the result, or an error that says what a box lacks",
)
_attack(
    "fork-relay",
    "Passes the work from child to child, so that no process is near its limit of processor time.",
    """
import os, time
def main():
    while True:
        pid = os.fork()
        if pid == 0:
            end = time.process_time() + 0.2
            while time.process_time() < end:
                pass
            os._exit(0)
        os.waitpid(pid, 0)
""",
    Kind.TIMEOUT,
    expected="the wall",
    limits=Limits(wall_seconds=3, cpu_seconds=1),
)
_attack(
    "signals-by-a-ready-socket",
    "Has the kernel send SIGKILL to the runner, its parent and their group in its stead, whenever a socket can be read.",
    """
import fcntl, os, signal, socket, time
F_SETSIG = 10

def aim_at(process):
    mine, other = socket.socketpair()
    try:
        fcntl.fcntl(mine, fcntl.F_SETOWN, process)
        fcntl.fcntl(mine, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(mine, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        other.send(b"x")
    except OSError:
        pass
    time.sleep(0.1)

def main():
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    for process in (1, os.getppid(), -1, -os.getpgid(os.getppid())):
        aim_at(process)
    aim_at(child)
    return os.waitpid(child, os.WNOHANG)[1]
""",
    Kind.OK,
    expected="only its own child is killed, which shows that the way works",
    holds=returns(9),
)
_probe(
    "terminal-over-the-runner",
    "Makes a terminal and puts the runner's group in front of it, so that Ctrl-C would end the runner.",
    """
import fcntl, signal

def put_in_front(group):
    os.setsid()
    master, slave = os.openpty()
    fcntl.ioctl(slave, 0x540E, 1)  # TIOCSCTTY
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    return attempt(os.tcsetpgrp, slave, group or os.getpgid(0))

def main():
    groups = {"first": 1, "parent": os.getppid(), "parent's group": os.getpgid(os.getppid())}
    return {name: in_a_child(lambda group=group: put_in_front(group)) for name, group in groups.items()}

def control():
    return {"own group": in_a_child(lambda: put_in_front(0))}
""",
)
_probe(
    "timers-for-others",
    "Makes timers that go off in the runner.",
    """
SIGEV_THREAD_ID, TIMER_CREATE = 4, {"x86_64": 222, "aarch64": 107}[os.uname().machine]

class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int), ("thread", ctypes.c_int),
                ("rest", ctypes.c_char * 48)]

def make(thread):
    libc = ctypes.CDLL(None, use_errno=True)
    event, number = Event(None, 9, SIGEV_THREAD_ID, thread), ctypes.c_int()
    if libc.syscall(ctypes.c_long(TIMER_CREATE), 1, ctypes.byref(event), ctypes.byref(number)) != 0:
        return errno.errorcode[ctypes.get_errno()]
    return "REACHED"

def main():
    return {"first": make(1), "parent": make(os.getppid())}

def control():
    return {"own": make(os.getpid())}
""",
)
_attack(
    "main-thread-leaves",
    "Ends its main thread alone, by a system call, and goes on in another.",
    """
import ctypes, os, threading, time
def main():
    threading.Thread(target=time.sleep, args=(60,)).start()
    ctypes.CDLL(None).syscall(ctypes.c_long({"x86_64": 60, "aarch64": 93}[os.uname().machine]), 0)
""",
    Kind.TIMEOUT,
    Kind.ERROR,
    expected="the wall",
    limits=BRIEF,
)
_attack(
    "child-that-shares-its-memory",
    "Makes a child by vfork, which stops its parent until it leaves, and never leaves.",
    """
import ctypes, os, time
def main():
    if os.uname().machine == "x86_64":
        ctypes.CDLL(None).syscall(ctypes.c_long(58))
    time.sleep(60)
""",
    Kind.TIMEOUT,
    expected="the wall",
    limits=BRIEF,
)
