"""What the host does with each frame of a run: counts it against the limits, passes it on, remembers the end."""

import json
import threading
import time
from typing import Any

from sandbox.conversation import AskedTooOften, Flooded, Spoiled
from sandbox.errors import RequestRefused
from sandbox.events import (
    ArtifactEnded,
    ArtifactSkipped,
    Event,
    HostRequest,
    Item,
    Log,
    OnEvent,
    OnRequest,
    Output,
    OutputCut,
    SpanStarted,
)
from sandbox.incoming_files import IncomingFiles
from sandbox.job import Limits
from sandbox.limits import Amount
from sandbox.outcome import Exit, JobError
from sandbox.protocol import parse_error, parse_event, parse_exit, parse_json, parse_request
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError
from sandbox.runner.room import Room
from sandbox.wire import Wire

_FILES = (frames.ARTIFACT_STARTED, frames.ARTIFACT_DATA, frames.ARTIFACT_ENDED, frames.ARTIFACT_ABANDONED)
# Frames whose content comes from the tool's own process, unread by the runner.
_TOOLS_WORDS = frozenset(frames.TOOL_FRAMES) | frozenset(frames.RESULT_FRAMES)
# Files that were not taken are told one by one; nobody needs to hear of more than these.
_SKIPPED_TOLD = 100
_LONGEST_REFUSAL = 2000  # characters; a reason may repeat what the tool wrote
_CHATTER_PER_RUN = 20_000
_CHATTER_PER_SECOND = 20  # besides: a run of hours may say how far it is all the while


class Listener:
    """Hears one run."""

    def __init__(self, limits: Limits, *, on_event: OnEvent, answers: "Answers") -> None:
        self._limits, self._on_event, self._answers = limits, on_event, answers
        self._files = IncomingFiles(files=limits.artifact_files, total_bytes=limits.artifact_bytes, on_event=self._pass_on)
        self.used: dict[str, Amount] = dict.fromkeys(("output_bytes", "artifact_files", "artifact_bytes", "spans", "requests"), 0)
        self.left_out = 0
        self._items = self._item_bytes = 0
        self._chatter_left = _CHATTER_PER_RUN + 2 * limits.spans
        self._began = time.monotonic()
        self.result: Any = None
        self.has_result = False
        self.error: JobError | None = None
        self.limit: str | None = None
        self.exit: Exit | None = None

    def hear(self, kind: int, payload: bytes) -> None:
        """Raises: Flooded, AskedTooOften, Spoiled (the tool's doing), ProtocolError (the runner's)."""
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
            self.used["requests"] += 1
            self._answers.begin(payload)
        elif kind == frames.ITEM:
            self._hear_item(payload)
        elif kind == frames.RESULT:
            self._hear_result(payload)
        elif kind == frames.ERROR:
            self.error, self.limit = parse_error(payload)
        elif kind == frames.EXIT:
            self.exit = parse_exit(payload)
        elif kind != frames.STARTED:
            self._hear_chatter(kind, payload)

    def _hear_output(self, stream: Any, payload: bytes) -> None:
        kept = payload[: max(0, self._limits.output_bytes - int(self.used["output_bytes"]))]
        if kept:
            self._on_event(Output(stream, kept))
        self._count_output(len(payload))

    def _hear_log(self, event: Log) -> None:
        """A line of the tool's own to the watchers: output too, whole or not at all."""
        length = len(event.text.encode())
        if self.used["output_bytes"] + length <= self._limits.output_bytes:
            self._on_event(event)
        self._count_output(length)

    def _count_output(self, length: int) -> None:
        """Beyond the limit output is not kept, which is told once; the budget that ends the run is twice as large.

        Raises: Flooded.
        """
        limit, before = self._limits.output_bytes, self.used["output_bytes"]
        self.used["output_bytes"] = before + length
        if before <= limit < before + length:
            self._on_event(OutputCut(limit))
        if before + length > 2 * limit:
            raise Flooded

    def _hear_result(self, payload: bytes) -> None:
        if len(payload) > self._limits.result_bytes:
            raise ProtocolError("a result over its limit")
        self.used["result_bytes"] = len(payload)
        self.result, self.has_result = parse_json(payload), True

    def _hear_item(self, payload: bytes) -> None:
        self._items, self._item_bytes = self._items + 1, self._item_bytes + len(payload)
        if self._items > frames.MOST_ITEMS or self._item_bytes > self._limits.result_bytes:
            raise ProtocolError("more items than a result may have")
        self._on_event(Item(parse_json(payload), len(payload)))

    def _hear_chatter(self, kind: int, payload: bytes) -> None:
        self._chatter_left -= 1
        if self._chatter_left + _CHATTER_PER_SECOND * (time.monotonic() - self._began) < 0:
            raise Flooded
        event = parse_event(kind, payload)
        if isinstance(event, ArtifactSkipped):
            self.left_out += 1
            if self.left_out > _SKIPPED_TOLD:
                return
        if isinstance(event, Log):
            self._hear_log(event)
        else:
            self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if isinstance(event, SpanStarted):
            self.used["spans"] += 1
        elif isinstance(event, ArtifactEnded):
            self.used["artifact_files"] += 1
            self.used["artifact_bytes"] += event.size
        self._on_event(event)


class Answers:
    """Answers the tool's requests, each in a thread of its own: output, limits and cancellation go on meanwhile."""

    def __init__(self, wire: Wire, on_request: OnRequest, limit: int) -> None:
        self._wire, self._on_request, self._left = wire, on_request, limit
        self._room = Room()
        self.failure: BaseException | None = None

    def begin(self, payload: bytes) -> None:
        """Raises: AskedTooOften; ProtocolError when more are open than may be, or this is none."""
        self._left -= 1
        if self._left < 0:
            raise AskedTooOften
        if not self._room.take(len(payload)):
            most = frames.OUTSTANDING_BYTES >> 20
            raise ProtocolError(f"more than {frames.OUTSTANDING} requests at a time, or more than {most} MiB of them")
        asked = (*parse_request(payload), len(payload))
        threading.Thread(target=self._answer, args=asked, name="box-request", daemon=True).start()

    def _answer(self, number: int, request: HostRequest, size: int) -> None:
        answer: dict[str, Any]
        try:
            answer = {"id": number, "value": self._on_request(request)}
            payload = json.dumps(answer).encode()
            if len(payload) > frames.HOST_FRAMES[frames.REPLY]:
                raise RequestRefused("The answer is larger than a box may receive.")
        except RequestRefused as refusal:
            payload = json.dumps({"id": number, "refused": str(refusal)[:_LONGEST_REFUSAL]}).encode()
        except BaseException as failure:  # noqa: BLE001 (a fault of the host: raised again in the thread that runs the job)
            self.failure = failure
            payload = json.dumps({"id": number, "refused": "The platform failed to answer."}).encode()
        self._room.give_back(size)
        self._wire.post(frames.frame(frames.REPLY, payload))
