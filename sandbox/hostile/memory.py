"""Programs that eat memory: in Python, beside Python, and in the kernel's own buffers."""

from sandbox.hostile.program import MIB, Check, Heard, Theme, returns
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("memory")
_attack = THEME.attack
_LONG = Limits(wall_seconds=30, cpu_seconds=20)


def _names_line(number: int) -> Check:
    def check(heard: Heard) -> str:
        error = heard.outcome.error
        return "" if error is not None and error.line == number else f"the line was not named: {error!r:.200}"

    return check


_attack(
    "list-of-blocks",
    "Keeps blocks of 8 MiB in a list for ever.",
    """
def main():
    held = []
    while True:
        held.append(bytearray(8 << 20))
""",
    Kind.OOM,
    expected="out of memory, with the line",
    holds=_names_line(4),
)
_attack(
    "one-huge-block",
    "Asks for a terabyte at once.",
    "def main():\n    return len(bytearray(1 << 40))\n",
    Kind.OOM,
    expected="out of memory",
)
_attack(
    "zip-bomb",
    "Inflates a few kilobytes to half a gigabyte.",
    """
import zlib
def main():
    packer, small = zlib.compressobj(9), b""
    for _ in range(512):
        small += packer.compress(bytes(1 << 20))
    return len(zlib.decompress(small + packer.flush()))
""",
    Kind.OOM,
    expected="out of memory",
    limits=_LONG,
)
_attack(
    "doubled-text",
    "Doubles a text until nothing is left.",
    "def main():\n    text = 'x'\n    while True:\n        text += text\n",
    Kind.OOM,
    expected="out of memory",
)
_attack(
    "multiplied-tuple",
    "Has one C call reserve more than there is.",
    "def main():\n    return len((None,) * (10 ** 12))\n",
    Kind.OOM,
    expected="out of memory",
)
_attack(
    "eating-children",
    "Forks children that eat sixty megabytes each, so that no single process is over its limit.",
    """
import os, time
def main():
    while True:
        if os.fork() == 0:
            held = bytearray(60 << 20)
            time.sleep(60)
            os._exit(0)
        time.sleep(0.05)
""",
    Kind.OOM,
    expected="out of memory, seen from outside",
)
_attack(
    "children-eat-parent-smiles",
    "Lets children die of hunger and returns as if nothing had been.",
    """
import os
def main():
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            try:
                held = []
                while True:
                    held.append(bytearray(8 << 20))
            finally:
                os._exit(1)
        os.waitpid(pid, 0)
    return "all is well"
""",
    Kind.OK,
    expected="the parent's own result: its children reached a limit, it did not",
    holds=returns("all is well"),
)
_attack(
    "memory-files",
    "Fills files that lie in memory, each below the limit of a file.",
    """
import os
def main():
    files = []
    while True:
        files.append(os.memfd_create("x"))
        for _ in range(32):
            os.write(files[-1], bytes(1 << 20))
""",
    Kind.OOM,
    expected="out of memory, seen from outside",
)
_attack(
    "full-pipes",
    "Fills pipes, whose content lies in the kernel's memory.",
    """
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
""",
    Kind.OOM,
    expected="out of memory, seen from outside",
    limits=_LONG,
)
_attack(
    "full-sockets",
    "Fills the buffers of as many sockets as it may open.",
    """
import socket
def main():
    pairs = [socket.socketpair() for _ in range(400)]
    for one, _ in pairs:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        one.setblocking(False)
        try:
            while True:
                one.send(bytes(65536))
        except BlockingIOError:
            pass
    return "kept within bounds"
""",
    Kind.OK,
    Kind.OOM,
    expected="out of memory, or buffers that stay within bounds",
    limits=_LONG,
)
_attack(
    "shared-mappings",
    "Writes to shared anonymous memory, which no process is charged for, in many processes.",
    """
import mmap, os, time
def main():
    for _ in range(12):
        if os.fork() == 0:
            memory = mmap.mmap(-1, 48 << 20)
            for place in range(0, 48 << 20, 4096):
                memory[place] = 1
            time.sleep(60)
            os._exit(0)
    time.sleep(60)
""",
    Kind.OOM,
    expected="out of memory, seen from outside",
    limits=_LONG,
)
_attack(
    "many-mappings",
    "Maps single pages without end, to fill the kernel's tables and not its memory.",
    """
import mmap
def main():
    held = []
    while True:
        held.append(mmap.mmap(-1, 4096, prot=mmap.PROT_READ if len(held) % 2 else mmap.PROT_READ | mmap.PROT_WRITE))
""",
    Kind.OOM,
    Kind.TIMEOUT,
    expected="out of memory",
    limits=Limits(wall_seconds=8, cpu_seconds=20),
)
_attack(
    "memory-and-scratch",
    "Fills scratch space, which is memory, and then asks for the rest in Python.",
    """
def main():
    with open("/tmp/fill", "wb") as file:
        for _ in range(60):
            file.write(bytes(1 << 20))
    held = []
    while True:
        held.append(bytearray(4 << 20))
""",
    Kind.OOM,
    expected="out of memory",
)
_attack(
    "hidden-error",
    "Catches the MemoryError and asks again, for ever.",
    """
def main():
    held = []
    while True:
        try:
            held.append(bytearray(1 << 20))
        except MemoryError:
            pass
""",
    Kind.TIMEOUT,
    Kind.OOM,
    expected="the wall, or out of memory",
    limits=Limits(wall_seconds=3, cpu_seconds=10, memory_bytes=128 * MIB),
)
_attack(
    "circles-of-sockets",
    "Sends sockets through themselves with memory beside them, so that nobody holds it and nobody gives it back.",
    """
import array, os, socket
def main():
    while True:
        memory = os.memfd_create("left")
        os.write(memory, bytes(4 << 20))
        one, other = socket.socketpair()
        sent = array.array("i", [one.fileno(), other.fileno(), memory])
        one.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
        one.close()
        other.close()
        os.close(memory)
""",
    Kind.OOM,
    expected="out of memory",
)
