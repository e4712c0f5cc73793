"""What the host does with each frame of a run: counts it against the limits, passes it on, remembers the end."""

import json
import threading
from typing import Any

from sandbox.conversation import Flooded, Spoiled
from sandbox.errors import RequestRefused
from sandbox.events import HostRequest, OnEvent, OnRequest, Output
from sandbox.incoming_files import IncomingFiles
from sandbox.job import Limits
from sandbox.outcome import Exit, JobError
from sandbox.protocol import parse_error, parse_event, parse_exit, parse_json, parse_request
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError
from sandbox.wire import Wire

_FILES = (frames.ARTIFACT_STARTED, frames.ARTIFACT_DATA, frames.ARTIFACT_ENDED)
# Frames whose content comes from the tool's own process, unread by the runner.
_TOOLS_WORDS = frozenset(frames.TOOL_FRAMES) | frozenset(frames.RESULT_FRAMES)
# Files that were not taken are told one by one; nobody needs to hear of more than these.
_SKIPPED_TOLD = 100
_CHATTER_PER_RUN = 20_000


class Listener:
    """Hears one run."""

    def __init__(self, limits: Limits, *, on_event: OnEvent, answers: "Answers") -> None:
        self._limits, self._on_event, self._answers = limits, on_event, answers
        self._files = IncomingFiles(files=limits.artifact_files, total_bytes=limits.artifact_bytes, on_event=on_event)
        self._output_left = limits.output_bytes
        self._skipped_left = _SKIPPED_TOLD
        self._chatter_left = _CHATTER_PER_RUN + 2 * limits.spans
        self.result: Any = None
        self.has_result = False
        self.error: JobError | None = None
        self.limit: str | None = None
        self.exit: Exit | None = None

    def hear(self, kind: int, payload: bytes) -> None:
        """Raises: Flooded, Spoiled (the tool's doing), ProtocolError (the runner's)."""
        try:
            self._hear(kind, payload)
        except ProtocolError as error:
            if kind in _TOOLS_WORDS:
                raise Spoiled(str(error)) from None
            raise

    def _hear(self, kind: int, payload: bytes) -> None:
        if kind in (frames.STDOUT, frames.STDERR):
            self._hear_output("stdout" if kind == frames.STDOUT else "stderr", payload)
        elif kind in _FILES:
            self._files.hear(kind, payload)
        elif kind == frames.REQUEST:
            self._answers.begin(parse_request(payload))
        elif kind == frames.RESULT:
            self._hear_result(payload)
        elif kind == frames.ERROR:
            self.error, self.limit = parse_error(payload)
        elif kind == frames.EXIT:
            self.exit = parse_exit(payload)
        elif kind != frames.STARTED:
            self._hear_chatter(kind, payload)

    def _hear_output(self, stream: Any, payload: bytes) -> None:
        if allowed := payload[: self._output_left]:
            self._on_event(Output(stream, allowed))
        self._output_left -= len(payload)
        if self._output_left < 0:
            raise Flooded

    def _hear_result(self, payload: bytes) -> None:
        if len(payload) > self._limits.result_bytes:
            raise ProtocolError("a result over its limit")
        self.result, self.has_result = parse_json(payload), True

    def _hear_chatter(self, kind: int, payload: bytes) -> None:
        self._chatter_left -= 1
        if self._chatter_left < 0:
            raise Flooded
        event = parse_event(kind, payload)
        if kind == frames.ARTIFACT_SKIPPED:
            self._skipped_left -= 1
            if self._skipped_left < 0:
                return
        self._on_event(event)


class Answers:
    """Answers the tool's requests in threads of their own, so that output, limits and cancellation go on meanwhile."""

    def __init__(self, wire: Wire, on_request: OnRequest, limit: int) -> None:
        self._wire, self._on_request, self._left = wire, on_request, limit
        self._busy = threading.Lock()
        self.failure: BaseException | None = None

    def begin(self, request: HostRequest) -> None:
        """Raises: ProtocolError when the tool asks twice at a time, or too often."""
        self._left -= 1
        if self._left < 0 or not self._busy.acquire(blocking=False):
            raise ProtocolError("too many requests")
        threading.Thread(target=self._answer, args=(request,), name="box-request", daemon=True).start()

    def _answer(self, request: HostRequest) -> None:
        answer: dict[str, Any]
        try:
            answer = {"value": self._on_request(request)}
            payload = json.dumps(answer).encode()
            if len(payload) > frames.HOST_FRAMES[frames.REPLY]:
                raise RequestRefused("The answer is larger than a box may receive.")
        except RequestRefused as refusal:
            payload = json.dumps({"refused": str(refusal)}).encode()
        except BaseException as failure:  # noqa: BLE001 (a fault of the host: raised again in the thread that runs the job)
            self.failure = failure
            payload = json.dumps({"refused": "The platform failed to answer."}).encode()
        self._busy.release()
        self._wire.post(frames.frame(frames.REPLY, payload))
