"""Starts the child process that reads a source. The source is never parsed, imported or executed in this process."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from apps.functions.analysis.types import Analysis, PackReading, Problem, from_report, pack_from_report
from apps.functions.reader.packs import PACK
from apps.functions.reader.report import refusal

MAX_SOURCE_BYTES = 256 * 1024
WALL_SECONDS = 15
"""Above the child's own five seconds of CPU, so that a busy machine does not refuse what is sound."""

_ROOT = Path(__file__).resolve().parents[3]
# No site-packages, no environment, no current directory: the child can reach the standard library and the reader.
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from apps.functions.reader.__main__ import main; main()"
_KILLED_BY_LIMIT = frozenset({-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS})


class ReaderFailed(RuntimeError):
    """The child process ended in a way that is a fault of the platform, not of the source."""


def analyse(source: str | bytes, entry: str | None = None) -> Analysis:
    """Read a source and tell its entry, schemas, free names, imports and problems.

    Args:
        source: at most `MAX_SOURCE_BYTES` of UTF-8; whatever is wrong with it is told as a problem.
        entry: the function to describe; without it the last public one at the top level.

    Raises:
        ReaderFailed: the reader itself broke.
    """
    encoded = _encoded(source)
    if isinstance(encoded, Problem):
        return Analysis(problems=(encoded,))
    return from_report(_read_in_child(encoded, entry or ""))


def analyse_pack(text: str | bytes) -> PackReading:
    """Read a pack file and tell its functions, each as a source of its own.

    Args:
        text: at most `MAX_SOURCE_BYTES` of UTF-8; whatever is wrong with it is told as a problem.

    Raises:
        ReaderFailed: the reader itself broke.
    """
    encoded = _encoded(text)
    if isinstance(encoded, Problem):
        return PackReading(problems=(encoded,))
    return pack_from_report(_read_in_child(encoded, PACK))


def _encoded(source: str | bytes) -> bytes | Problem:
    try:
        encoded = source.encode("utf-8") if isinstance(source, str) else source
        encoded.decode("utf-8")
    except UnicodeError:
        return Problem("encoding", "The source is not valid UTF-8 text.")
    if len(encoded) > MAX_SOURCE_BYTES:
        message = f"The source has {len(encoded)} bytes; at most {MAX_SOURCE_BYTES} are allowed."
        return Problem("too_large", message)
    if b"\x00" in encoded:
        line = encoded[: encoded.index(b"\x00")].count(b"\n") + 1
        return Problem("null_byte", "The source contains a null byte.", line=line)
    return encoded


def _read_in_child(encoded: bytes, entry: str) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _BOOTSTRAP, str(_ROOT), entry]
    try:
        done = subprocess.run(command, input=encoded, capture_output=True, timeout=WALL_SECONDS, env={}, check=False)
    except subprocess.TimeoutExpired:
        return _beyond_limits()
    if done.returncode in _KILLED_BY_LIMIT:
        return _beyond_limits()
    if done.returncode != 0:
        raise ReaderFailed(done.stderr.decode("utf-8", "replace")[-2000:])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _beyond_limits() -> dict[str, Any]:
    return refusal(Problem("limits", "Reading the source takes too much time or memory. Make it simpler."))
