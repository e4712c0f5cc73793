"""Writes a traceback as Python does, of the job's own sources only, and never longer than it may be.

The standard library's follows every cause, context and member of a group: a tool whose error holds a group in a group,
thousands deep or wide, took all memory by it, and the error was lost.
"""

import itertools
import linecache
import textwrap
from collections import deque
from collections.abc import Iterator, Mapping
from traceback import FrameSummary, StackSummary
from types import TracebackType

from . import errors_seen

CHARACTERS = 32_000
FIRST_FRAMES, LAST_FRAMES = 10, 30
LINKS, MEMBERS, DEPTH, ERRORS = 10, 8, 4, 40
_LINE = 300
_OWN_MODULES = ("builtins", "__main__")
_BY_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_BESIDE = "\nDuring handling of the above exception, another exception occurred:\n\n"


class Frames:
    """The frames of one error that lie in the job's own sources: the first, the last, and how many there are."""

    def __init__(self, trace: TracebackType | None, sources: Mapping[str, str]) -> None:
        first: list[TracebackType] = []
        last: deque[TracebackType] = deque(maxlen=LAST_FRAMES)
        self.count = 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename in sources:
                self.count += 1
                (first if len(first) < FIRST_FRAMES else last).append(trace)
            trace = trace.tb_next
        self._first, self._last = first, list(last)

    @property
    def place(self) -> tuple[str, int | None] | None:
        """File and line of the innermost."""
        frames = self._last or self._first
        return (frames[-1].tb_frame.f_code.co_filename, frames[-1].tb_lineno) if frames else None

    def lines(self) -> Iterator[str]:
        yield from StackSummary.from_list(map(_summary, self._first)).format()
        if (left_out := self.count - len(self._first) - len(self._last)) > 0:
            yield f"  … {left_out} more calls …\n"
        yield from StackSummary.from_list(map(_summary, self._last)).format()


def traceback_text(error: BaseException, sources: Mapping[str, str], *, prefix: str) -> str:
    """The whole story of an error. `prefix` is what the modules of the job's sources begin with."""
    text = "".join(_Story(sources, prefix).of(error, 0))
    if len(text) <= CHARACTERS:
        return text
    head, tail = CHARACTERS // 4, 3 * CHARACTERS // 4 - 100
    return f"{text[:head]}\n… {len(text) - head - tail} characters left out …\n{text[-tail:]}"


class _Story:
    """Counts what has been told, over all branches."""

    def __init__(self, sources: Mapping[str, str], prefix: str) -> None:
        self._sources, self._prefix = sources, prefix
        self._left = ERRORS
        self._told: set[int] = set()

    def of(self, error: BaseException, depth: int) -> Iterator[str]:
        chain, is_cut = self._chain(error)
        if is_cut:
            yield "… earlier errors are left out …\n\n"
        for number, (each, is_cause) in enumerate(chain):
            if number:
                yield _BY_CAUSE if is_cause else _BESIDE
            yield from self._one(each, depth)

    def _chain(self, error: BaseException) -> tuple[list[tuple[BaseException, bool]], bool]:
        """The error with what led to it, oldest first, and whether there was more. Circles end where they close."""
        chain: list[tuple[BaseException, bool]] = []
        this: BaseException | None = error
        while this is not None and id(this) not in self._told and len(chain) < LINKS and self._left > 0:
            self._told.add(id(this))
            self._left -= 1
            before, is_cause = errors_seen.link_of(this)
            chain.append((this, is_cause))
            this = before
        return chain[::-1], this is not None and id(this) not in self._told

    def _one(self, error: BaseException, depth: int) -> Iterator[str]:
        frames = Frames(errors_seen.trace_of(error), self._sources)
        if frames.count:
            yield "Traceback (most recent call last):\n"
            yield from frames.lines()
        if errors_seen.is_a(error, SyntaxError):
            yield from _syntax(error)
        name, message = self._name(error), errors_seen.message_of(error)
        yield f"{name}: {message}\n" if message else f"{name}\n"
        for note in errors_seen.notes_of(error):
            yield f"{note}\n"
        yield from self._members(errors_seen.members_of(error), depth)

    def _members(self, members: tuple[BaseException, ...], depth: int) -> Iterator[str]:
        shown = members[:MEMBERS] if depth < DEPTH else ()
        for number, member in enumerate(shown, 1):
            if self._left < 1:
                shown = shown[: number - 1]
                break
            yield f"  --- {number} of {len(members)} ---\n"
            yield textwrap.indent("".join(self.of(member, depth + 1)), "  ")
        if left_out := len(members) - len(shown):
            yield f"  … {left_out} more in this group …\n"

    def _name(self, error: BaseException) -> str:
        module, name = errors_seen.module_of(error), errors_seen.name_of(error)
        is_known = not module or module in _OWN_MODULES or module.startswith(self._prefix)
        return name if is_known else f"{module}.{name}"


def _summary(trace: TracebackType) -> FrameSummary:
    code, number = trace.tb_frame.f_code, trace.tb_lineno
    line = linecache.getline(code.co_filename, number) if number else ""
    if len(line) > _LINE:  # to mark a place in a line, the library parses it, in 137 MiB for the longest source (measured)
        return FrameSummary(code.co_filename, number, code.co_name, line=f"{line.strip()[:_LINE]}…")
    positions = next(itertools.islice(code.co_positions(), trace.tb_lasti // 2, None), (None,) * 4)
    if positions[0] != number or positions[1] != number:
        return FrameSummary(code.co_filename, number, code.co_name)
    return FrameSummary(
        code.co_filename, number, code.co_name, end_lineno=number, colno=positions[2], end_colno=positions[3]
    )  # fmt: skip


def _syntax(error: BaseException) -> Iterator[str]:
    file, line, column, text = (errors_seen.field(error, name) for name in ("filename", "lineno", "offset", "text"))
    if type(file) is str and type(line) is int:
        yield f'  File "{errors_seen.clean(file, _LINE)}", line {line}\n'
    if type(text) is str and text.strip():
        blanks = len(text) - len(text.lstrip())
        yield f"    {errors_seen.clean(text.strip(), _LINE)}\n"
        if type(column) is int and 0 < column - blanks <= _LINE:
            yield f"    {' ' * (column - blanks - 1)}^\n"
