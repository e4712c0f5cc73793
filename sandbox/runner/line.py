"""The tool's side of the two pipes to its host: what it tells, what it asks, and the answers.

Several threads may ask at the same time. One thread reads the answers and does nothing else: were it to write, the
runner that waits for room in one pipe and the tool that waits for room in the other could wait for each other.
"""

import itertools
import json
import os
import threading
from concurrent.futures import Future
from typing import Any

from . import frames
from .artifact_writer import ArtifactBudget, ArtifactRefused, ArtifactWriter
from .room import Room


class HostRefused(Exception):
    """The host would not do what the tool asked for; says why."""


class Line:
    """Only the process that the job began in may ask and wait; copies of it may tell."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests, self._replies = requests, replies
        self._owner = os.getpid()
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)
        self._room = Room()
        self._asked: dict[int, tuple[Future[Any], int]] = {}  # with the bytes of the question
        self._reader: threading.Thread | None = None

    def tell(self, kind: int, fields: dict[str, Any]) -> None:
        """Send what needs no answer, in one atomic write, cut when its text grew too long on the way."""
        data = frames.frame_json(kind, fields)
        if len(data) > frames.ATOMIC:
            data = frames.frame_json(kind, {key: _cut(value) for key, value in fields.items()})
        if os.getpid() != self._owner:  # a thread that is not there any more may have held the lock when it was copied
            os.write(self._requests, data)
            return
        with self._writing:  # not into the middle of a long request
            os.write(self._requests, data)

    def open_artifact(self, name: str, budget: ArtifactBudget) -> ArtifactWriter:
        """A file that is streamed to the host.

        Raises: ArtifactRefused.
        """
        if os.getpid() != self._owner:
            raise ArtifactRefused("Only the process that the job began in can write artifacts.")
        return ArtifactWriter(name, budget, self.tell, self._stream)

    def _stream(self, frame: bytes) -> None:
        """A piece of a file, short enough that copies of the process cannot write into it."""
        with self._writing:
            os.write(self._requests, frame)

    def tell_item(self, text: bytes) -> None:
        """One item of a result that comes item by item, as JSON. Waits until the host has room."""
        if os.getpid() != self._owner:
            raise HostRefused("Only the process that the job began in gives its items.")
        with self._writing:
            frames.write_all(self._requests, frames.frame(frames.ITEM, text))

    def ask(self, verb: str, payload: dict[str, Any]) -> Any:
        """Ask the host and wait for its answer.

        Raises: HostRefused with the host's reason.
        """
        return self.send(verb, payload).result()

    def send(self, verb: str, payload: dict[str, Any]) -> "Future[Any]":
        """Ask the host and go on; waits only when as much is being asked as may. The future raises HostRefused.

        Raises: HostRefused when the question cannot be put at all; ValueError or TypeError when it is no JSON.
        """
        if os.getpid() != self._owner:
            raise HostRefused("Only the process that the job began in can ask its host.")
        number = next(self._numbers)
        text = json.dumps({"id": number, "verb": verb, "payload": payload}, ensure_ascii=False, allow_nan=False)
        body = text.encode("utf-8", "replace")
        if len(body) > frames.TOOL_FRAMES[frames.REQUEST]:
            raise HostRefused("What is sent to the host with one request may be 1 MiB at most: send large data as a file.")
        answer: Future[Any] = Future()
        answer.set_running_or_notify_cancel()  # nobody can take back what was asked
        self._room.wait(len(body))
        self._asked[number] = answer, len(body)
        try:
            with self._writing:
                self._read_answers()
                frames.write_all(self._requests, frames.frame(frames.REQUEST, body))
        except BaseException:
            self._asked.pop(number, None)
            self._room.give_back(len(body))
            raise
        return answer

    def _read_answers(self) -> None:
        """Begun with the first question: most tools ask none, and need no second thread."""
        if self._reader is None:
            reader = threading.Thread(target=self._read, name="func-answers", daemon=True)
            reader.start()
            self._reader = reader

    def _read(self) -> None:
        reader = frames.FrameReader({frames.REPLY: frames.HOST_FRAMES[frames.REPLY]})
        while data := os.read(self._replies, frames.CHUNK):
            for _, payload in reader.feed(data):
                self._settle(json.loads(payload))
        for number in list(self._asked):
            self._settle({"id": number, "refused": "The host has hung up."})

    def _settle(self, told: dict[str, Any]) -> None:
        answer, size = self._asked.pop(told["id"])
        self._room.give_back(size)
        if "refused" in told:
            answer.set_exception(HostRefused(told["refused"]))
        else:
            answer.set_result(told["value"])


def _cut(value: Any) -> Any:
    return value[:100] if isinstance(value, str) else value
