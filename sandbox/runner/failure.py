"""Tells a tool's author what went wrong: the error, their own lines of the traceback, the limit that was hit.

All of it is the tool's own word, since it is said by the tool's process: good for its author, never believed by the host
where that can know better.
"""

import errno
from collections.abc import Callable, Mapping
from traceback import TracebackException
from typing import Any

from . import errors_seen
from .encoding import TooDeep, TooLarge
from .spans import CallTooDeep
from .tool import MODULE_PREFIX
from .traceback_text import Frames, traceback_text

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OPEN_FILES = {errno.EMFILE, errno.ENFILE}
_LEAVES = 50
_LARGEST_LINE = 1 << 31
_MAY_BE_MISSPELT = (AttributeError, NameError, ImportError, ModuleNotFoundError)


def describe(error: BaseException, sources: Mapping[str, str], *, has_all_processes: Callable[[], bool]) -> dict[str, Any]:
    """The error as plain values. `sources` maps the file names of the job's own sources to function names."""
    function, line = _place(error, sources)
    return {
        "type": errors_seen.name_of(error),
        "message": _message(error),
        "traceback": traceback_text(error, sources, prefix=MODULE_PREFIX),
        "function": function,
        "line": line,
        "limit": _limit(error, has_all_processes),
    }


def _message(error: BaseException) -> str:
    if errors_seen.is_a(error, SystemExit):
        code = errors_seen.field(error, "code")
        shown = repr(code) if type(code) in (bool, int, type(None)) else "…"
        if type(code) is str:
            shown = repr(errors_seen.clean(code, 100))
        return f"the tool called exit({shown}) instead of returning"
    return _with_suggestion(error) or errors_seen.message_of(error)


def _with_suggestion(error: BaseException) -> str:
    """The message with Python's guess at what was meant, of errors that have one; empty for all others."""
    if type(error) not in _MAY_BE_MISSPELT:
        return ""
    links = error.__cause__, error.__context__, error.__suppress_context__
    try:
        error.__cause__ = error.__context__ = None  # else the library would follow them, however many there are
        described = TracebackException(type(error), error, error.__traceback__, limit=1, lookup_lines=False)
        return errors_seen.clean(str(described), errors_seen.MESSAGE)
    except BaseException:
        return ""
    finally:
        error.__cause__, error.__context__, error.__suppress_context__ = links


def _place(error: BaseException, sources: Mapping[str, str]) -> tuple[str | None, int | None]:
    place = Frames(errors_seen.trace_of(error), sources).place
    if errors_seen.is_a(error, SyntaxError):
        file, line = errors_seen.field(error, "filename"), errors_seen.field(error, "lineno")
        if type(file) is str and type(line) is int and file in sources:
            place = file, line
    if place is None:
        return None, None
    file, line = place
    return sources[file], line if line is not None and 0 <= line < _LARGEST_LINE else None


def _limit(error: BaseException, has_all_processes: Callable[[], bool]) -> str | None:
    """The name of the limit that the error comes from, as far as it can be seen; of a group, the first of its members'."""
    found = (_limit_of(leaf, has_all_processes) for leaf in errors_seen.leaves_of(error, _LEAVES))
    return next(filter(None, found), None)


def _limit_of(error: BaseException, has_all_processes: Callable[[], bool]) -> str | None:
    if errors_seen.is_a(error, MemoryError):
        return "memory_bytes"
    if errors_seen.is_a(error, TooLarge) and not errors_seen.is_a(error, TooDeep):
        return "result_bytes"
    if errors_seen.is_a(error, CallTooDeep):
        return "call_depth"
    number = errors_seen.field(error, "errno")
    if type(number) is int and (by_number := _limit_by_number(number)):
        return by_number
    # EAGAIN has innocent causes; so has a thread that cannot start. Only a full count makes it this limit.
    is_thread = errors_seen.is_a(error, RuntimeError) and "new thread" in errors_seen.message_of(error)
    refused = is_thread or (type(number) is int and number == errno.EAGAIN)
    return "processes" if refused and has_all_processes() else None


def _limit_by_number(number: int) -> str | None:
    if number == errno.ENOMEM:
        return "memory_bytes"
    if number in _OPEN_FILES:
        return "open_files"
    return "scratch_bytes" if number in _DISK else None
