"""Programs that take time: spinning, waiting, and hiding from the signals that would end them."""

from sandbox.hostile.program import BRIEF, Theme, returns
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("time")
_attack, _probe = THEME.attack, THEME.probe

for _name, _tries, _body in (
    ("spin", "Spins for ever.", "    while True:\n        pass\n"),
    ("sleep", "Sleeps for an hour.", "    import time\n    time.sleep(3600)\n"),
    ("backtracking", "Has a regular expression backtrack inside C.", "    import re\n    re.match('(a+)+b', 'a' * 60)\n"),
    ("huge-power", "Computes a number with a billion digits inside C, without a look at signals.", "    return 10 ** 10 ** 9\n"),
    ("sum-in-c", "Adds up numbers inside C for hours.", "    return sum(range(10 ** 15))\n"),
    (
        "deadlock",
        "Waits for a lock that it holds.",
        "    import threading\n    lock = threading.Lock()\n    lock.acquire()\n    lock.acquire()\n",
    ),
    (
        "coroutine-that-never-ends",
        "Gives back a coroutine that sleeps for ever.",
        "    import asyncio\n    return asyncio.sleep(3600)\n",
    ),
    ("read-standard-input", "Reads what never comes.", "    import os\n    reading, _ = os.pipe()\n    os.read(reading, 1)\n"),
):
    _attack(_name, _tries, f"def main():\n{_body}", Kind.TIMEOUT, expected="the wall", limits=BRIEF)

_attack(
    "ignore-every-signal",
    "Ignores every signal that can be ignored and spins.",
    """
import signal
def main():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass
""",
    Kind.TIMEOUT,
    expected="the wall",
    limits=BRIEF,
)
_attack(
    "processor-time",
    "Uses more processor time than it may.",
    "def main():\n    while True:\n        pass\n",
    Kind.TIMEOUT,
    expected="out of processor time",
    limits=Limits(wall_seconds=20, cpu_seconds=1),
)
_attack(
    "processor-time-ignored",
    "Ignores the signal that says that processor time is over.",
    """
import signal
def main():
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass
""",
    Kind.TIMEOUT,
    expected="out of processor time all the same",
    limits=Limits(wall_seconds=20, cpu_seconds=1),
)
_attack(
    "blocked-signals",
    "Blocks every signal and sleeps.",
    "import signal, time\ndef main():\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n    time.sleep(3600)\n",
    Kind.TIMEOUT,
    expected="the wall",
    limits=BRIEF,
)
_attack(
    "timer-storm",
    "Has timers go off as often as the kernel lets them.",
    """
import signal, time
def main():
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.000001, 0.000001)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    signal.setitimer(signal.ITIMER_REAL, 0)
    return "done"
""",
    Kind.OK,
    Kind.TIMEOUT,
    expected="ok, or the wall",
    limits=Limits(wall_seconds=5, cpu_seconds=10),
)
_attack(
    "descriptor-storm",
    "Opens twenty thousand timers and events and polls all of them.",
    """
import os, select
def main():
    poll, opened = select.epoll(), 0
    try:
        while opened < 20_000:
            event = os.eventfd(1)
            poll.register(event, select.EPOLLIN)
            opened += 1
    except OSError as error:
        number = error.errno
    for _ in range(200):
        poll.poll(0)
    return number
""",
    Kind.OK,
    expected="refused at the limit of open files (EMFILE)",
    holds=returns(24),
)
_attack(
    "slow-to-describe",
    "Gives back an object that takes for ever to be turned into JSON.",
    "import time\nclass Slow:\n    def tolist(self):\n        time.sleep(3600)\ndef main():\n    return Slow()\n",
    Kind.TIMEOUT,
    expected="the wall",
    limits=BRIEF,
)
_attack(
    "error-that-never-says-its-message",
    "Raises an error whose text never ends.",
    """
class Endless(Exception):
    def __str__(self):
        while True:
            pass
def main():
    raise Endless
""",
    Kind.TIMEOUT,
    expected="the wall",
    limits=BRIEF,
)
_attack(
    "exit-handlers-that-never-end",
    "Registers exit handlers and finalizers that never end, and returns.",
    """
import atexit, weakref
class Thing:
    def __del__(self):
        while True:
            pass
def spin():
    while True:
        pass
def main():
    atexit.register(spin)
    global kept
    kept = Thing()
    kept.itself = kept
    weakref.finalize(kept, spin)
    return "done"
""",
    Kind.OK,
    expected="the result, without waiting for them",
    holds=returns("done"),
    limits=Limits(wall_seconds=10, cpu_seconds=5),
)
_probe(
    "higher-limits",
    "Raises its own limits of processes, files, memory, time and file size.",
    """
import resource
KINDS = ("NPROC", "NOFILE", "AS", "CPU", "FSIZE", "CORE")

def main():
    def raise_limit(kind):
        number = getattr(resource, f"RLIMIT_{kind}")
        _, hard = resource.getrlimit(number)
        if hard == resource.RLIM_INFINITY:
            return  # there is no limit: that is getting through
        resource.setrlimit(number, (hard + 1, hard + 1))
    return {kind: attempt(raise_limit, kind) for kind in KINDS}

def control():
    def raise_soft_limit():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {"NOFILE": attempt(raise_soft_limit)}
""",
)
