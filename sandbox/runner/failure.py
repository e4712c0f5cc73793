"""Tells a tool's author what went wrong: the error, their own lines of the traceback, the limit that was hit."""

import errno
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from .encoding import TooLarge

MESSAGE, TRACEBACK = 4_000, 32_000
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def describe(error: BaseException, sources: Mapping[str, str], *, has_all_processes: Callable[[], bool]) -> dict[str, Any]:
    """The error as plain values. `sources` maps the file names of the job's own sources to function names."""
    described = traceback.TracebackException.from_exception(error, compact=True)
    _keep_own_frames(described, sources, set())
    function, line = _place(error, described, sources)
    return {
        "type": type(error).__name__[:200],
        "message": _message(error)[:MESSAGE],
        "traceback": "".join(described.format())[-TRACEBACK:],
        "function": function,
        "line": line,
        "limit": _limit(error, has_all_processes),
    }


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the tool called exit({error.code!r}) instead of returning"
    try:
        return str(error)
    except Exception as second:
        return f"<its message raised {type(second).__name__}>"


def _keep_own_frames(described: traceback.TracebackException, sources: Mapping[str, str], seen: set[int]) -> None:
    if id(described) in seen:
        return
    seen.add(id(described))
    own = [frame for frame in described.stack if frame.filename in sources]
    described.stack = traceback.StackSummary.from_list(own)
    for linked in (described.__cause__, described.__context__, *(described.exceptions or ())):
        if linked is not None:
            _keep_own_frames(linked, sources, seen)


def _place(
    error: BaseException, described: traceback.TracebackException, sources: Mapping[str, str]
) -> tuple[str | None, int | None]:
    if isinstance(error, SyntaxError) and error.filename is not None and error.filename in sources:
        return sources[error.filename], error.lineno
    if described.stack:
        last = described.stack[-1]
        return sources[last.filename], last.lineno
    return None, None


def _limit(error: BaseException, has_all_processes: Callable[[], bool]) -> str | None:
    """Which limit the error comes from, as far as it can be seen."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, TooLarge):
        return "result"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOMEM:
        return "memory"
    if number in _DISK:
        return "disk"
    # EAGAIN has innocent causes; so has a thread that cannot start. Only a full count makes it this limit.
    refused = number == errno.EAGAIN or (isinstance(error, RuntimeError) and "new thread" in _message(error))
    return "processes" if refused and has_all_processes() else None
