"""Programs that try to speak as the runner, or to leave it without a word."""

from sandbox.hostile.program import BRIEF, Heard, Theme
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("forgery")
_attack, _probe = THEME.attack, THEME.probe

_FRAMES = """
import json, os, struct, time

def frame(kind, payload):
    return struct.pack(">IB", len(payload), kind) + payload

def everywhere(data):
    for descriptor in range(1024):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, data)
        except OSError:
            pass
    try:
        names = os.listdir("/proc/1/fd")
    except OSError:
        names = []
    for name in names:
        try:
            os.write(os.open(f"/proc/1/fd/{name}", os.O_WRONLY | os.O_NONBLOCK), data)
        except OSError:
            pass
"""


def _no_result(heard: Heard) -> str:
    return "" if heard.outcome.result is None else f"a forged result came through: {heard.outcome.result!r:.200}"


_GOODBYE = """
ERROR = json.dumps({"type": "x", "message": "forged", "limit": None}).encode()
END = json.dumps({"code": 0, "signal": None}).encode()
def main():
    for kind, payload in ((4, ERROR), (5, END), (3, b'"forged"'), (3, b'"forged"')):
        everywhere(frame(kind, payload))
"""
for _then, _line in (("returns", "return 'honest'"), ("leaves", "os._exit(0)"), ("fails", "raise ValueError")):
    _attack(
        f"forged-end-then-{_then}",
        "Writes the frames of a result and of an end to every descriptor there is.",
        f"{_FRAMES}{_GOODBYE}    {_line}\n",
        Kind.ERROR,
        expected="the tool's own error; nothing forged counts",
        holds=_no_result,
    )

for _name, _tries, _data in (
    ("length-of-four-gigabytes", "Announces a frame of four gigabytes.", r'b"\xff\xff\xff\xff\x03" + b"x" * 4000'),
    ("unknown-frame", "Sends frames of types that do not exist.", r'frame(200, b"{}") + frame(0, b"") + frame(64, b"{}")'),
    ("json-as-deep-as-a-well", "Sends JSON that is nested half a million deep.", 'frame(3, b"[" * 500_000)'),
    ("unclosed-text", "Sends half a megabyte of quotation marks.", r"""frame(3, b'"' + b'\\"' * 250_000)"""),
    ("half-a-frame", "Begins a frame and never ends it.", r'struct.pack(">IB", 1000, 3) + b"x" * 10'),
    ("infinite-number", "Sends a number that has no place in a database.", 'frame(3, b"[1e999]")'),
    (
        "result-in-another-encoding",
        "Sends JSON in UTF-16, in which depth is counted otherwise.",
        "frame(3, '[1]'.encode('utf-16'))",
    ),
):
    _attack(
        f"forged-{_name}",
        _tries,
        f"{_FRAMES}\ndef main():\n    data = {_data}\n"
        "    for descriptor in range(3, 64):\n        try:\n            left = data\n"
        "            while left:\n                left = left[os.write(descriptor, left):]\n"
        "        except OSError:\n            pass\n    time.sleep(0.2)\n    os._exit(0)\n",
        Kind.ERROR,
        expected="the tool's own error; nothing forged counts",
        holds=_no_result,
    )

_attack(
    "result-that-the-runner-never-checked",
    "Writes a result of its own to its pipe and leaves, so that no limit of the runner applies.",
    f"{_FRAMES}\ndef main():\n    everywhere(frame(3, b'{{\"mine\": true}}'))\n    os._exit(0)\n",
    Kind.ERROR,
    Kind.OK,
    expected="at most the tool's own word for its own result: the same as returning it",
    holds=lambda heard: "" if heard.outcome.result in (None, {"mine": True}) else "something else came through",
)
_attack(
    "claims-to-be-out-of-memory",
    "Sends an error that blames a limit of the platform.",
    f"{_FRAMES}\ndef main():\n    everywhere(frame(4, json.dumps({{'type': 'x', 'message': 'x', 'limit': 'nonsense'}}).encode()))\n"
    "    os._exit(0)\n",
    Kind.ERROR,
    expected="the tool's own error; a limit that does not exist is not believed",
)
_attack(
    "every-descriptor-closed",
    "Closes every descriptor and returns.",
    "import os\ndef main():\n    os.closerange(0, 1024)\n    return 'closed'\n",
    Kind.ERROR,
    expected="the tool's own error: no result arrived",
    holds=_no_result,
)
_attack(
    "descriptors-exchanged",
    "Puts its standard output in the place of every other descriptor.",
    """
import os
def main():
    for descriptor in range(2, 64):
        try:
            os.fstat(descriptor)
            os.dup2(1, descriptor)
        except OSError:
            pass
    return "exchanged"
""",
    Kind.ERROR,
    Kind.OUTPUT,
    expected="the tool's own error: no result arrived",
    holds=_no_result,
)
_attack(
    "requests-without-reading-answers",
    "Asks its host by raw frames and never reads an answer, to stop the runner at a full pipe.",
    f"{_FRAMES}\ndef main():\n    data = frame(17, json.dumps({{'verb': 'x', 'payload': {{}}}}).encode())\n"
    "    while True:\n        everywhere(data)\n",
    Kind.ERROR,
    Kind.OUTPUT,
    Kind.TIMEOUT,
    expected="the tool's own error, or a limit",
    limits=BRIEF,
)
_attack(
    "mixed-frames-of-many-children",
    "Has children write long frames at once, so that they are mixed up.",
    f"{_FRAMES}\ndef main():\n    log = frame(16, json.dumps({{'level': 'x', 'text': 'x' * 4000}}).encode() * 3)\n"
    "    for _ in range(4):\n        if os.fork() == 0:\n            for _ in range(50):\n                everywhere(log)\n"
    "            os._exit(0)\n    for _ in range(4):\n        os.wait()\n    return 'done'\n",
    Kind.ERROR,
    Kind.OK,
    Kind.OUTPUT,
    expected="the tool's own error, or nothing of it",
    limits=Limits(wall_seconds=20, cpu_seconds=10, processes=16),
)
_probe(
    "second-door",
    "Connects to the socket of the runner again, makes another in its place, and looks for what else is there.",
    """
import socket

def main():
    def bind():
        socket.socket(socket.AF_UNIX).bind("/control/other")
    def listed():
        if not os.listdir("/control"):
            raise FileNotFoundError(errno.ENOENT, "nothing there")
    return {
        "connect": attempt(socket.socket(socket.AF_UNIX).connect, "/control/socket"),
        "bind": attempt(bind),
        "find a socket": attempt(listed),
        "remove": attempt(os.unlink, "/control/socket"),
    }

def control():
    def bind():
        global listener
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("door")
        listener.listen()
    return {
        "bind": attempt(bind),
        "connect": attempt(socket.socket(socket.AF_UNIX).connect, "door"),
        "remove": attempt(os.unlink, "door"),
    }
""",
)
_probe(
    "descriptors-of-the-runner",
    "Opens what the box's first process has open, by its name under /proc.",
    """
def reopen(process):
    said = {}
    for name in os.listdir(f"/proc/{process}/fd"):
        for mode, flag in (("read", os.O_RDONLY), ("write", os.O_WRONLY), ("both", os.O_RDWR)):
            try:
                target = os.readlink(f"/proc/{process}/fd/{name}")
            except OSError:
                target = "?"
            if not target.startswith(("/dev/null", "anon_inode:[eventpoll]")):
                said[f"{mode} {name} {target}"] = attempt(os.open, f"/proc/{process}/fd/{name}", flag | os.O_NONBLOCK)
    return said

def main():
    try:
        said = reopen(1)
    except OSError as error:
        return {"list": errno.errorcode[error.errno]}
    return said or {"nothing open": "ENOENT"}

def control():
    with open("file", "w") as file:
        return {"own file": attempt(os.open, f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)}
""",
)
_attack(
    "no-last-word",
    "Leaves by every way that says nothing: exit, abort, and signals to itself.",
    "import os\ndef main():\n    os._exit(0)\n",
    Kind.ERROR,
    expected="never ok",
    holds=_no_result,
)
for _name, _line in (("exit-137", "os._exit(137)"), ("kill-9-itself", "os.kill(os.getpid(), 9)"), ("abort", "os.abort()")):
    _attack(
        f"ends-like-{_name}",
        "Ends as if memory had run out or somebody had killed it.",
        f"import os, time\ndef main():\n    {_line}\n    time.sleep(5)\n",
        Kind.ERROR,
        expected="the tool's own error, not out of memory and not cancelled",
    )
_attack(
    "leaves-with-a-result-printed",
    "Prints a result as text and leaves with code 0.",
    "import os\ndef main():\n    print('{\"result\": 42}', flush=True)\n    os._exit(0)\n",
    Kind.ERROR,
    expected="the tool's own error",
    holds=_no_result,
)
_attack(
    "runner-rewritten-in-memory",
    "Replaces the runner's own functions in its process and returns another result than it made.",
    """
import sys
def main():
    for name, module in list(sys.modules.items()):
        if "selfsmith" in name:
            for key in list(vars(module)):
                if callable(getattr(module, key, None)) and key in ("encode", "frame", "write_all"):
                    setattr(module, key, lambda *a, **k: b"")
    return "honest"
""",
    Kind.ERROR,
    Kind.OK,
    expected="at most no result: what is in this process was the tool's all along",
    holds=lambda heard: "" if heard.outcome.result in (None, "honest", "") else "something else came through",
)
