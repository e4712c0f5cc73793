"""Programs that talk too much, or say what is hard to hear."""

from sandbox.hostile.program import MIB, Heard, Theme, all_of, returns, says_at_most
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("output")
_attack = THEME.attack
_CAPPED = Limits(wall_seconds=20, cpu_seconds=10, output_bytes=64 * 1024)


def _storable(heard: Heard) -> str:
    text = repr(heard.outcome.result)
    return "the result could not be stored" if "\\ud8" in text or "\\udf" in text or "\\x00" in text else ""


for _name, _tries, _loop in (
    ("endless-lines", "Prints lines for ever.", "print('a line of no importance')"),
    ("endless-line", "Prints one line that never ends.", "sys.stdout.write('x' * 4096)"),
    ("endless-errors", "Writes to standard error for ever.", "os.write(2, b'x' * 4096)"),
    ("endless-empty-lines", "Prints empty lines, which cost their reader most.", "print()"),
    ("both-streams", "Floods both streams in turn.", "os.write(1, b'x' * 65536) + os.write(2, b'y' * 65536)"),
):
    _attack(
        _name,
        _tries,
        f"import os, sys\ndef main():\n    while True:\n        {_loop}\n",
        Kind.OUTPUT,
        expected="ended at the limit of output; no more than that is passed on",
        holds=says_at_most(64 * 1024),
        limits=_CAPPED,
    )

_attack(
    "many-mouths",
    "Has eight children flood the same stream.",
    """
import os, time
def main():
    for _ in range(8):
        if os.fork() == 0:
            while True:
                os.write(1, b"x" * 4096)
    time.sleep(60)
""",
    Kind.OUTPUT,
    expected="ended at the limit of output",
    holds=says_at_most(64 * 1024),
    limits=_CAPPED,
)
_attack(
    "one-giant-write",
    "Writes fifty megabytes in one call.",
    "import os\ndef main():\n    os.write(1, bytes(50 << 20))\n    return 'written'\n",
    Kind.OUTPUT,
    expected="ended at the limit of output",
    holds=says_at_most(1 * MIB),
)
_attack(
    "unreadable-bytes",
    "Prints bytes that are no text, NUL, terminal commands, title changes, right-to-left marks and commands of other platforms.",
    r"""
import os
def main():
    os.write(1, b"\xff\xfe\x00\xc3\x28\x1b[2J\x1b]0;owned\x07\x1b]8;;http://x\x07\r::add-mask::x\n")
    print("\u202e\u2066\udc80 ::stop-commands::x", flush=True)
    return "said"
""",
    Kind.OK,
    expected="ok; the bytes arrive as they were written",
    holds=lambda heard: "" if b"\x1b[2J" in heard.output and heard.outcome.result == "said" else "the bytes were changed",
)
_attack(
    "flood-of-progress",
    "Reports progress for ever.",
    "import func\ndef main():\n    while True:\n        func.progress(0.5, 'x' * 500)\n",
    Kind.OUTPUT,
    Kind.TIMEOUT,
    expected="ended at the limit of reports",
    holds=lambda heard: "" if heard.events < 60_000 else f"{heard.events} reports were passed on",
)
_attack(
    "flood-of-log-lines",
    "Writes log lines for ever, from several threads.",
    """
import func, threading
def flood():
    while True:
        func.log("x" * 600)
def main():
    for _ in range(3):
        threading.Thread(target=flood, daemon=True).start()
    flood()
""",
    Kind.OUTPUT,
    Kind.TIMEOUT,
    expected="ended at the limit of reports",
    holds=lambda heard: "" if heard.events < 60_000 else f"{heard.events} lines were passed on",
)
_attack(
    "flood-of-requests",
    "Asks its host for ever.",
    """
import func
def main():
    asked = 0
    while True:
        try:
            func.ask_host("open_the_door", payload="x" * 1000)
        except func.ask_host.__globals__["HostRefused"]:
            asked += 1
""",
    Kind.REQUESTS,
    expected="refused each time, then ended at the limit of requests",
    limits=Limits(wall_seconds=20, cpu_seconds=10, requests=50),
)
_attack(
    "huge-result",
    "Returns three megabytes.",
    "def main():\n    return 'x' * (3 << 20)\n",
    Kind.OUTPUT,
    expected="the limit of results is named",
)
_attack(
    "result-deeper-than-any-stack",
    "Returns lists inside lists, ten thousand deep.",
    "def main():\n    value = []\n    for _ in range(10_000):\n        value = [value]\n    return value\n",
    Kind.OUTPUT,
    Kind.ERROR,
    expected="refused with a sentence",
)
_attack(
    "result-that-holds-itself",
    "Returns a list that is its own element.",
    "def main():\n    value = []\n    value.append(value)\n    return value\n",
    Kind.OUTPUT,
    Kind.ERROR,
    expected="refused with a sentence",
)
_attack(
    "endless-result",
    "Returns a mapping whose items never end.",
    """
import collections.abc, itertools
class Endless(collections.abc.Mapping):
    def __getitem__(self, key): return 1
    def __len__(self): return 1
    def __iter__(self): return itertools.count()
def main():
    return Endless()
""",
    Kind.OOM,
    Kind.TIMEOUT,
    expected="out of memory, or the wall",
    limits=Limits(wall_seconds=10, cpu_seconds=10),
)
_attack(
    "numbers-without-json",
    "Returns not-a-number and infinities, which JSON does not know.",
    "def main():\n    return [float('nan'), float('inf'), -float('inf'), 1e308 * 10]\n",
    Kind.OK,
    expected="ok, as null",
    holds=returns([None] * 4),
)
_attack(
    "number-with-ten-thousand-digits",
    "Returns a number that Python itself does not write out.",
    "def main():\n    return 10 ** 10_000\n",
    Kind.ERROR,
    expected="an error of its own",
)
_attack(
    "half-characters",
    "Returns halves of surrogate pairs and NUL, in keys and values.",
    "def main():\n    return {'\\ud800': '\\udfff', 'zero': 'a\\x00b'}\n",
    Kind.OK,
    expected="ok, in a form that a database can store",
    holds=_storable,
)
_attack(
    "disguised-result",
    "Returns subclasses of str, int and dict whose methods lie.",
    """
class Text(str):
    def __str__(self): return "forged"
    def encode(self, *_): return b"forged"
class Number(int):
    def __repr__(self): return '1}, "forged": {'
    __str__ = __repr__
def main():
    return {"text": Text("plain"), "number": Number(7)}
""",
    Kind.OK,
    Kind.ERROR,
    expected="plain values, or an error",
    holds=lambda heard: "" if "forged" not in (heard.outcome.result or {}) else "a key was forged",
)
_attack(
    "talk-after-the-end",
    "Has a thread go on printing while the function returns.",
    """
import os, threading
def talk():
    while True:
        os.write(1, b"late\\n")
def main():
    threading.Thread(target=talk, daemon=True).start()
    return "done"
""",
    Kind.OK,
    Kind.OUTPUT,
    expected="the result, or ended at the limit of output",
    holds=all_of(says_at_most(64 * 1024)),
    limits=_CAPPED,
)
_attack(
    "keys-that-fall-together",
    "Returns a mapping whose keys are different in Python and the same, or nothing, in JSON.",
    """
import datetime, enum
class Key(enum.Enum):
    ONE = "1"
class Odd(str):
    def __hash__(self):
        return 7
    def __eq__(self, other):
        return self is other
def main():
    return {1: "a", "1": "b", None: "c", "null": "d", float("nan"): "e", Odd("x"): "f", Odd("x"): "g", datetime.date.min: "h"}
""",
    Kind.OK,
    Kind.ERROR,
    expected="the last of them, or the tool's own error",
)
