"""Programs that turn on the interpreter that runs them."""

from sandbox.hostile.program import BRIEF, Theme, blames, returns
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("interpreter")
_attack = THEME.attack
_BAD = "the tool's own error, never a loss"

for _name, _tries, _body in (
    ("segmentation-fault", "Reads from address zero.", "    import ctypes\n    ctypes.string_at(0)\n"),
    (
        "stack-overflow-in-c",
        "Lifts the limit of recursion and recurses until the stack is gone.",
        "    import sys\n    sys.setrecursionlimit(10 ** 9)\n    def deeper(x):\n        return [deeper(y) for y in [x]]\n    deeper(1)\n",
    ),
    ("recursion", "Recurses for ever.", "    main()\n"),
    (
        "illegal-instruction",
        "Runs bytes that are no program.",
        "    import ctypes, mmap\n    page = mmap.mmap(-1, 4096, prot=7)\n    page.write(b'\\x0f\\x0b')\n"
        "    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()\n",
    ),
    (
        "frees-what-is-not-its-own",
        "Corrupts the heap of its own process.",
        "    import ctypes\n    libc = ctypes.CDLL(None)\n    libc.free.argtypes = [ctypes.c_void_p]\n"
        "    block = ctypes.create_string_buffer(64)\n    libc.free(ctypes.addressof(block) + 8)\n    libc.free(ctypes.addressof(block) + 8)\n",
    ),
    (
        "overwrites-the-interpreter",
        "Overwrites objects of the interpreter in memory.",
        "    import ctypes\n    ctypes.memset(id(None), 0x41, 64)\n    return None\n",
    ),
    ("leaves-by-system-exit", "Calls exit with code 0.", "    import sys\n    sys.exit(0)\n"),
    ("leaves-by-interrupt", "Raises KeyboardInterrupt.", "    raise KeyboardInterrupt\n"),
    ("leaves-by-a-base-exception", "Raises what no usual handler catches.", "    raise BaseException('x' * 100_000)\n"),
    (
        "error-that-fails-to-speak",
        "Raises an error whose text is an error.",
        "    class Bad(Exception):\n        def __str__(self):\n            raise self\n        __repr__ = __str__\n    raise Bad\n",
    ),
    (
        "error-with-a-forged-name",
        "Raises an error whose class pretends to be another, with a giant name.",
        "    raise type('MemoryError\\n' * 10_000, (Exception,), {'__module__': 'builtins'})('forged')\n",
    ),
    (
        "errors-in-a-ring",
        "Raises an error that is its own cause, among a thousand others.",
        "    one, two = ValueError('a'), ValueError('b')\n    one.__cause__, two.__cause__ = two, one\n"
        "    raise ExceptionGroup('g', [ValueError(str(n)) for n in range(1000)] + [one])\n",
    ),
):
    _attack(
        _name,
        _tries,
        f"def main():\n{_body}",
        Kind.ERROR,
        Kind.OOM,
        expected=_BAD,
        limits=Limits(wall_seconds=20, cpu_seconds=10),
    )

for _name, _tries, _text in (
    ("source-with-nul", "Is a source with a NUL byte.", "def main():\n    return '\x00'\n"),
    ("source-that-is-none", "Is no Python.", "def main(:\n"),
    (
        "source-nested-beyond-the-parser",
        "Is an expression with a hundred thousand brackets.",
        f"def main():\n    return {'(' * 100_000}\n",
    ),
    ("source-without-the-function", "Does not define its function.", "main = 7\n"),
    ("source-that-fails-to-load", "Fails while it is loaded.", "raise SystemExit(0)\n"),
):
    _attack(
        _name,
        _tries,
        _text,
        Kind.ERROR,
        Kind.OOM,
        expected="an error with a sentence",
    )
_attack(
    "source-in-half-characters",
    "Is a source with half a surrogate pair.",
    "def main():\n    return '\ud800'\n",
    Kind.OK,
    Kind.ERROR,
    expected="an error, or a question mark in its place",
    holds=lambda heard: "" if heard.outcome.result in (None, "?") else "half a character came through",
)
_attack(
    "source-of-five-megabytes",
    "Is a source of five megabytes.",
    "def main():\n    return len(DATA)\nDATA = [" + "1," * (2 << 20) + "]\n",
    Kind.ERROR,
    Kind.OOM,
    expected="out of memory while it is compiled",
)
_attack(
    "modules-replaced",
    "Replaces json, os, sys and the built-in functions for everything that comes after it.",
    """
import builtins, json, os, sys
def main():
    def forged(*arguments, **named):
        return b'"forged"'
    for module in (json, os, sys):
        for name in list(vars(module)):
            if callable(getattr(module, name)) and not name.startswith("__") and name != "modules":
                try:
                    setattr(module, name, forged)
                except Exception:
                    pass
    for name in ("open", "len", "print", "isinstance", "getattr"):
        setattr(builtins, name, forged)
    return "honest"
""",
    Kind.ERROR,
    Kind.OK,
    Kind.TIMEOUT,
    expected="the tool's own error, or at most another result of its own",
    limits=Limits(wall_seconds=4, cpu_seconds=5),
)
_attack(
    "modules-removed",
    "Empties the table of modules and the built-in names.",
    "import builtins, sys\ndef main():\n    sys.modules.clear()\n    vars(builtins).clear()\n    return 'honest'\n",
    Kind.ERROR,
    Kind.OK,
    Kind.TIMEOUT,
    expected="the tool's own error, or its result",
    limits=Limits(wall_seconds=4, cpu_seconds=5),
)
_attack(
    "import-hook",
    "Takes over every import from now on.",
    """
import importlib, sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        raise SystemExit("no more imports")
def main():
    sys.meta_path.insert(0, Hook())
    for name in [name for name in sys.modules if name.startswith(("traceback", "json", "errno", "linecache"))]:
        del sys.modules[name]
    raise ValueError("describe me")
""",
    Kind.ERROR,
    expected="the tool's own error",
)
_attack(
    "trace-function",
    "Traces every line that runs after it and raises there.",
    """
import sys, threading
def main():
    def trace(frame, event, argument):
        raise RuntimeError("from the trace function")
    threading.settrace(trace)
    sys.setprofile(trace)
    sys.settrace(trace)
    sys._getframe(1).f_trace = trace
    return "honest"
""",
    Kind.ERROR,
    Kind.OK,
    expected="the tool's own error, or its result",
)
_attack(
    "collector-callbacks",
    "Has the garbage collector call it while its result is written.",
    """
import gc, os
def main():
    gc.callbacks.append(lambda phase, info: os._exit(0))
    gc.set_threshold(1)
    kept = []
    for _ in range(100):
        kept.append([kept])
    return kept and "honest"
""",
    Kind.ERROR,
    expected="the tool's own error: it left before its result",
)
_attack(
    "frames-of-its-callers",
    "Reads and changes the variables of the functions that called it.",
    """
import sys
def main():
    frame, seen = sys._getframe(1), []
    while frame:
        seen.append(frame.f_code.co_name)
        for name in list(frame.f_locals):
            if name in ("limits", "settings", "kind", "owner"):
                frame.f_locals[name] = {"result_bytes": 1 << 40}
        frame = frame.f_back
    return "x" * (3 << 20)
""",
    Kind.ERROR,
    Kind.OUTPUT,
    expected="refused: the host counts by itself",
)
_attack(
    "numbers-of-python-changed",
    "Changes small numbers in memory, with which everything after it counts.",
    "import ctypes\ndef main():\n    ctypes.memmove(id(1) + 24, id(2) + 24, 4)\n    return 'honest'\n",
    Kind.ERROR,
    Kind.OK,
    Kind.OUTPUT,
    Kind.TIMEOUT,
    Kind.OOM,
    expected="anything but a loss",
    limits=BRIEF,
)
_attack(
    "hidden-system-call",
    "Builds the name of what it calls from pieces, as against a filter of words.",
    "def main():\n    call = getattr(__import__('o' + 's'), 'sys' + 'tem')\n    return call('echo inside; test -e /tmp/work')\n",
    Kind.OK,
    expected="ok: no barrier here depends on words",
    holds=returns(0),
)
_attack(
    "code-from-memory",
    "Writes a program into memory, runs it from there, and ends as its own error.",
    """
import os
def main():
    file = os.memfd_create("program")
    with open("/usr/bin/true", "rb") as program:
        os.write(file, program.read())
    os.execv(f"/proc/self/fd/{file}", ["true"])
""",
    Kind.ERROR,
    expected="the tool's own error: its process ended before it returned",
    holds=blames("before the function returned", "Error"),
)
_attack(
    "suggestion-without-end",
    "Misses an attribute of an object that lists names without end, among which Python looks for what was meant.",
    """
import itertools
class Names:
    def __dir__(self):
        return map("x{}".format, itertools.count())
def main():
    return Names().missing
""",
    Kind.TIMEOUT,
    Kind.OOM,
    Kind.ERROR,
    expected="the tool's own error, or a limit",
    limits=Limits(wall_seconds=5, cpu_seconds=10),
)
_attack(
    "traceback-of-forged-code",
    "Raises from code whose file name, lines and places in them were replaced, over a poisoned cache of sources.",
    """
import linecache
class Name(str):
    def __hash__(self):
        raise KeyError
    def __eq__(self, other):
        return True
class Lines(dict):
    def __getitem__(self, key):
        raise SystemExit
    def __contains__(self, key):
        return True
def fail():
    raise ValueError("said")
def main():
    linecache.cache = Lines()
    linecache.getline = None
    code = fail.__code__
    fail.__code__ = code.replace(co_filename=Name("<main>"), co_firstlineno=2**31 - 1, co_linetable=b"\\xff" * 9)
    fail()
""",
    Kind.ERROR,
    expected="the tool's own error",
)
