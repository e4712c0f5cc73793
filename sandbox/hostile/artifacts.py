"""Programs that leave something else than files where files are collected."""

from sandbox.hostile.program import MIB, Check, Heard, Theme, all_of, keeps, returns
from sandbox.job import Limits
from sandbox.outcome import Kind

THEME = Theme("artifacts")
_attack = THEME.attack


def _left(*names: str) -> Check:
    return all_of(returns("left"), keeps(*names))


def _says_why(name: str) -> Check:
    return lambda heard: "" if any(name in each for each in heard.skipped) else f"nobody was told why {name} is missing"


def _plain_names(heard: Heard) -> str:
    wrong = [name for name in heard.artifacts if not name.isprintable() or "\\" in name or ".." in name.split("/")]
    return f"these names came through: {wrong!r:.200}" if wrong or heard.outcome.result != "left" else ""


for _name, _tries, _body, _kept in (
    (
        "link-to-a-secret",
        "Leaves links to the system's files.",
        "os.symlink('/etc/passwd', 'artifacts/a'); os.symlink('/proc/1/environ', 'artifacts/b')",
        (),
    ),
    (
        "folder-is-a-link",
        "Puts a link to /etc in the place of the folder itself.",
        "os.rmdir('artifacts'); os.symlink('/etc', 'artifacts')",
        (),
    ),
    ("folder-is-a-file", "Puts a file in the place of the folder.", "os.rmdir('artifacts'); open('artifacts', 'w').close()", ()),
    (
        "folder-in-a-loop",
        "Leaves links that lead round in circles.",
        "os.symlink('.', 'artifacts/a'); os.symlink('b', 'artifacts/b'); os.mkdir('artifacts/c'); os.symlink('..', 'artifacts/c/d')",
        (),
    ),
    ("waiting-pipe", "Leaves a named pipe, at which a reader would wait for ever.", "os.mkfifo('artifacts/a')", ()),
    ("left-socket", "Leaves a socket.", "import socket; socket.socket(socket.AF_UNIX).bind('artifacts/a')", ()),
    (
        "two-names-for-one-file",
        "Leaves one file under two names.",
        "open('artifacts/a', 'w').write('x'); os.link('artifacts/a', 'artifacts/b')",
        ("a", "b"),
    ),
    (
        "file-of-holes",
        "Leaves a file that claims sixty megabytes and holds none.",
        "os.truncate(os.open('artifacts/a', os.O_CREAT | os.O_RDWR), 60 << 20)",
        (),
    ),
    (
        "good-beside-bad",
        "Leaves an honest file among links and pipes.",
        "os.mkfifo('artifacts/a'); open('artifacts/m', 'w').write('x'); os.symlink('/etc', 'artifacts/z')",
        ("m",),
    ),
):
    _attack(
        _name,
        _tries,
        f"import os\ndef main():\n    {_body}\n    return 'left'\n",
        Kind.OK,
        expected=f"ok; {'only ' + ', '.join(_kept) if _kept else 'nothing'} is taken",
        holds=_left(*_kept),
    )

_attack(
    "names-that-lead-elsewhere",
    "Leaves files whose names hold line ends, terminal commands, bytes that are no text, backslashes and dots.",
    r"""
import os
def main():
    for name in (b"a\nb", b"\x1b[2J", b"\xff\xfe", b"..\\..\\x", b"c:\\x", b"\xe2\x80\xaeexe.txt", b"...", b"~", b"-rf"):
        os.close(os.open(b"artifacts/" + name, os.O_CREAT | os.O_WRONLY))
    return "left"
""",
    Kind.OK,
    expected="ok; only plain names are taken",
    holds=_plain_names,
)
_attack(
    "more-files-than-allowed",
    "Leaves five thousand files.",
    "def main():\n    for number in range(5000):\n        open(f'artifacts/{number}', 'w').close()\n    return 'left'\n",
    Kind.OK,
    expected="ok; as many as a run may keep",
    holds=lambda heard: "" if len(heard.artifacts) == 20 else f"{len(heard.artifacts)} files were taken",
)
_attack(
    "more-bytes-than-allowed",
    "Leaves files that are together larger than a run may keep.",
    """
def main():
    for number in range(5):
        with open(f"artifacts/{number}", "wb") as file:
            file.write(bytes(4 << 20))
    return "left"
""",
    Kind.OK,
    expected="ok; no byte more than a run may keep",
    holds=lambda heard: "" if 0 < heard.artifact_bytes <= 10 * MIB else f"{heard.artifact_bytes} bytes were taken",
)
_attack(
    "unreadable-beside-good",
    "Leaves a file and a folder that nobody may read, and an honest file after them.",
    """
import os
def main():
    os.mkdir("artifacts/a")
    open("artifacts/a/inside", "w").close()
    os.chmod("artifacts/a", 0)
    os.chmod(os.open("artifacts/b", os.O_CREAT | os.O_WRONLY), 0)
    os.mkdir("artifacts/ab")
    open("artifacts/ab/inside", "w").close()
    os.chmod("artifacts/ab", 0o400)
    open("artifacts/c", "w").close()
    return "left"
""",
    Kind.OK,
    expected="ok; the honest file is taken, and why the others are not is said",
    holds=all_of(_left("c"), _says_why("a"), _says_why("b"), _says_why("ab/inside")),
)
_attack(
    "changed-during-collection",
    "Leaves children that rename the folder back and forth while files are taken.",
    """
import os
def main():
    open("artifacts/a", "w").close()
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            while True:
                try:
                    os.rename("artifacts", "other")
                    os.symlink("/etc", "artifacts")
                    os.unlink("artifacts")
                    os.rename("other", "artifacts")
                except OSError:
                    pass
    return "left"
""",
    Kind.OK,
    expected="ok; nothing of /etc is taken, the children are dead before",
    holds=lambda heard: "" if set(heard.artifacts) <= {"a"} else f"these files came back: {heard.artifacts!r:.200}",
    limits=Limits(wall_seconds=20, cpu_seconds=10, processes=8),
)
