"""Records who called whom inside a job. Sent at once, each in one atomic write, so that a live tree can be drawn."""

import contextvars
import functools
import inspect
import itertools
import os
import reprlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import errors_seen, frames

PREVIEW = 500
# What Python calls the code of a module outside of its functions; no function can have this name.
LOADING = "<module>"
_WORTH_TELLING_SECONDS = 0.1
Send = Callable[[int, dict[str, Any]], None]


@dataclass(frozen=True)
class Place:
    """Where in the call tree the running code is: its span, the function it belongs to, how deep that is, and whether
    arguments and results may be told there."""

    span: str | None
    function: str
    depth: int = 1
    is_shown: bool = True


class CallTooDeep(RuntimeError):
    """Functions called each other deeper than the run may."""


# A thread that the tool starts begins outside of every span: its calls are children of none.
current: contextvars.ContextVar[Place | None] = contextvars.ContextVar("current", default=None)

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 120
_short.maxlist = _short.maxtuple = _short.maxset = _short.maxfrozenset = 10
_short.maxdict = 10


def preview(value: Any) -> str:
    """At most PREVIEW characters that show the value, whatever its own repr does."""
    try:
        return _short.repr(value)[:PREVIEW]
    except BaseException as error:
        return f"<{errors_seen.name_of(value)}: its repr raised {errors_seen.name_of(error)}>"[:PREVIEW]


def _preview_of_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    shown = [preview(value) for value in args] + [f"{key}={preview(value)}" for key, value in kwargs.items()]
    return ", ".join(shown)[:PREVIEW]


def describe(error: BaseException) -> str:
    """Type and message in one short line, whatever the message does."""
    return f"{errors_seen.name_of(error)}: {errors_seen.message_of(error)}"[:PREVIEW]


def _line_in(error: BaseException, filename: str) -> int | None:
    line, trace = None, errors_seen.trace_of(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


class SpanRecorder:
    """Wraps functions so that every call is told, up to a limit after which one mark is told and then nothing.

    A call deeper than `deepest` is not made. Of the functions in `discreet`, and of what they call, no arguments and no
    results are told.
    """

    def __init__(self, send: Send, limit: int, deepest: int, *, entry: str, discreet: frozenset[str]) -> None:
        self._send = send
        self._limit = limit
        self._deepest = deepest
        self._entry = entry
        self._discreet = discreet
        self._numbers = itertools.count(1)

    def wrap(self, name: str, filename: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, told of. A coroutine function stays one."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def recorded_async(*args: Any, **kwargs: Any) -> Any:
                with _Span(self, name, filename, args, kwargs) as span:
                    return span.note(await function(*args, **kwargs))

            return recorded_async

        @functools.wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with _Span(self, name, filename, args, kwargs) as span:
                return span.note(function(*args, **kwargs))

        return recorded

    def begin(self, name: str, arguments: dict[str, Any]) -> "_Span":
        """A call that leaves the box: told as begun now, and as ended by its `finish`. See `_Span.reveal`."""
        return _Span(self, name, "", (), arguments, is_elsewhere=True)

    def loaded(self, name: str, seconds: float) -> None:
        """Tell that a function's module has been executed, its imports included, if that took long."""
        if seconds < _WORTH_TELLING_SECONDS or not (number := self.number()):
            return
        fields = {"id": number, "parent": None, "function": LOADING}
        self._send(frames.SPAN_STARTED, {**fields, "arguments": name})
        self._send(frames.SPAN_ENDED, {**fields, "seconds": round(seconds, 6), "result": None, "arguments": None})

    def may_show(self, outer: Place | None, name: str) -> bool:
        """Whether arguments and result of a call from there may be told: what a discreet function was given, it may pass on."""
        if name in self._discreet:
            return False
        if outer is None:  # the job's own call, or one from a thread of which nobody knows which function began it
            return name == self._entry or not self._discreet
        return outer.is_shown

    def number(self) -> str | None:
        """A new span's id, or None when there have been enough. Unlike in every process that the tool forks."""
        number = next(self._numbers)
        if number == self._limit + 1:
            self._send(frames.SPANS_DROPPED, {})
        return f"{os.getpid():x}-{number:x}" if number <= self._limit else None

    def depth_below(self, outer: Place | None, name: str) -> int:
        """How deep a call from there is.

        Raises: CallTooDeep.
        """
        depth = outer.depth + 1 if outer else 1
        if depth > self._deepest:
            raise CallTooDeep(f"{name} would be called {depth} functions deep; {self._deepest} is the limit of this run")
        return depth

    def tell(self, kind: int, fields: dict[str, Any]) -> None:
        self._send(kind, fields)


class _Span:
    """One call, from start to end."""

    def __init__(
        self,
        recorder: SpanRecorder,
        name: str,
        filename: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        is_elsewhere: bool = False,
    ) -> None:
        self.recorder, self.filename = recorder, filename
        outer = current.get()
        depth = recorder.depth_below(outer, name)
        self.id = recorder.number()
        self.fields = {"id": self.id, "parent": outer.span if outer else None, "function": name}
        self.result: str | None = None
        self.revealed: str | None = None
        self.is_shown = recorder.may_show(outer, name)
        if self.id:
            self.arguments = _preview_of_call(args, kwargs) if self.is_shown else ""
            recorder.tell(frames.SPAN_STARTED, {**self.fields, "arguments": "" if is_elsewhere else self.arguments})
        self.began = time.perf_counter()
        # Calls beyond the limit are not told, but what they call still belongs to the nearest span that is.
        self.place = Place(self.id or self.fields["parent"], name, depth, self.is_shown)

    def __enter__(self) -> "_Span":
        self.token = current.set(self.place)
        self.began = time.perf_counter()
        return self

    def note(self, result: Any) -> Any:
        if self.id and self.is_shown:
            self.result = preview(result)
        return result

    def reveal(self) -> None:
        """Have the arguments of a call elsewhere told with its end: only the host knows whether that function lets them be."""
        if self.id:
            self.revealed = self.arguments

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        current.reset(self.token)
        self.finish(error, time.perf_counter())

    def finish(self, error: BaseException | None, ended: float) -> None:
        """Tell of the end; `ended` by time.perf_counter()."""
        seconds = ended - self.began
        if not self.id:
            return
        end = {**self.fields, "seconds": round(seconds, 6), "result": self.result, "arguments": self.revealed}
        if error is not None:
            end |= {"error": describe(error), "line": _line_in(error, self.filename)}
        self.recorder.tell(frames.SPAN_ENDED, end)
