"""Functions that are called by name and run in boxes of their own, one after the other or side by side."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import Any

from . import frames
from .encoding import plain
from .line import Line
from .spans import SpanRecorder

VERB = "runs.call"


class RunFailed(Exception):
    """The called function's run ended without a result. `run` is its id, `state` how it ended, `reason` why."""

    def __init__(self, function: str, run: str, state: str, reason: str) -> None:
        super().__init__(f"{function} {state}: {reason} (run {run})")
        self.function, self.run, self.state, self.reason = function, run, state, reason


class Call:
    """A run that was begun. `result()` waits for its end; in a coroutine, `await` it."""

    def __init__(self, function: str, answer: "Future[Any]", span: Any) -> None:
        self.function = function
        self._answer, self._span = answer, span
        self._ended = 0.0
        answer.add_done_callback(self._note_end)

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._answer.done()

    def result(self, timeout: float | None = None) -> Any:
        """What the function returned.

        Raises: RunFailed; HostRefused when it could not be run; TimeoutError after so many seconds.
        """
        if timeout is not None and not self._answer.done():
            self._answer.exception(timeout)  # which raises TimeoutError, and the run goes on
        return self._told(self._answer)

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.wait([asyncio.wrap_future(self._answer)]).__await__()
        return self._told(self._answer)

    def has_failed(self) -> bool:
        """Whether it has ended without a result."""
        return self.done() and (self._answer.exception() is not None or self._answer.result()["state"] != "succeeded")

    def when_done(self, act: Callable[[], None]) -> None:
        """Have this called at its end, by the thread that reads the answers; at once when it has ended."""
        self._answer.add_done_callback(lambda _: act())

    def _told(self, answer: "Future[Any]") -> Any:
        told: dict[str, Any] = {}
        try:
            told = answer.result()
            if told["state"] != "succeeded":
                raise RunFailed(self.function, told["run"], told["state"], told["message"])
        except Exception as error:
            self._tell_span(told, error)
            raise
        self._tell_span(told, None)
        return told["result"]

    def _tell_span(self, told: dict[str, Any], error: Exception | None) -> None:
        """Once, by whoever takes the result: the thread that reads the answers must not write.

        Arguments and result are shown if the host says that the called function keeps them: its answer is the first to know.
        """
        span, self._span = self._span, None
        if span is not None:
            if told.get("is_shown") is True:
                span.reveal()
                if error is None:
                    span.note(told["result"])
            span.finish(error, self._ended or time.perf_counter())

    def _note_end(self, _: "Future[Any]") -> None:
        self._ended = time.perf_counter()


class Calls:
    """Begins calls of one job."""

    def __init__(self, line: Line, recorder: SpanRecorder) -> None:
        self._line, self._recorder = line, recorder

    def begin(self, name: str, arguments: dict[str, Any]) -> Call:
        return self._begin(name, {"arguments": arguments}, arguments)

    def map(self, name: str, items: Iterable[Any], parallel: int) -> list[Any]:
        """One call for each item, at most `parallel` at a time; none after the first that failed."""
        room = threading.Semaphore(max(1, min(parallel, frames.OUTSTANDING)))
        calls: list[Call] = []
        for item in items:
            room.acquire()
            if any(call.has_failed() for call in calls):
                break
            given = item if isinstance(item, dict) else {"item": item}
            call = self._begin(name, {"arguments": item} if isinstance(item, dict) else given, given)
            calls.append(call)
            call.when_done(room.release)
        return [call.result() for call in calls]

    def _begin(self, name: str, payload: dict[str, Any], shown: dict[str, Any]) -> Call:
        span = self._recorder.begin(name, shown)
        try:
            answer = self._line.send(VERB, {"name": name, "span": span.id, **plain(payload, "call")})
        except Exception as error:
            span.finish(error, time.perf_counter())
            raise
        return Call(name, answer, span)
