"""What a compromised runner could send, and what the host makes of it."""

import json
import re
import socket
import struct
import threading
import time

import pytest

from sandbox import Limits
from sandbox.conversation import Ending, converse
from sandbox.events import OnRequest, Output, refuse_requests
from sandbox.listening import Answers, Listener
from sandbox.protocol import MAX_DEPTH, _is_too_deep, check_artifact_name, parse_event, parse_json
from sandbox.runner import frames
from sandbox.runner.frames import FrameReader, ProtocolError, frame, frame_json
from sandbox.wire import Wire

QUESTION = frame_json(frames.REQUEST, {"id": 1, "verb": "a", "payload": {}})
LAST_WORD = frame_json(frames.EXIT, {"code": 0, "signal": None})


class Conversation:
    """A run against a runner that is played by the test."""

    def __init__(
        self,
        said: bytes,
        *,
        limits: Limits | None = None,
        hang_up: bool = True,
        wall_seconds: float = 5,
        answer: OnRequest = refuse_requests,
    ) -> None:
        limits = limits or Limits()
        self.events: list[object] = []
        ours, theirs = socket.socketpair()
        with ours, theirs, Wire(ours) as wire:
            speaker = threading.Thread(target=self._speak, args=(theirs, said, hang_up))
            speaker.start()
            answers = Answers(wire, answer, limits.requests)
            self.listener = Listener(limits, on_event=self.events.append, answers=answers)
            self.ending: Ending = converse(
                wire, iter([b"job"]), hear=self.listener.hear, cancelled=lambda: False, wall_seconds=wall_seconds
            )
            ours.shutdown(socket.SHUT_RDWR)
            speaker.join()

    @staticmethod
    def _speak(theirs: socket.socket, said: bytes, hang_up: bool) -> None:
        try:
            theirs.sendall(said)
            if hang_up:
                theirs.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the host has heard enough


@pytest.mark.parametrize("kind", sorted(frames.BOX_FRAMES))
def test_a_length_of_four_gigabytes_is_refused_by_its_header(kind: int) -> None:
    reader = FrameReader(frames.BOX_FRAMES)
    with pytest.raises(ProtocolError, match="4294967295"):
        list(reader.feed(struct.pack(">IB", 2**32 - 1, kind)))


@pytest.mark.parametrize("kind", [0, 9, 99, 255, frames.RUN, frames.REPLY])
def test_an_unknown_frame_type_ends_the_conversation(kind: int) -> None:
    ending = Conversation(frame(kind, b"{}") + LAST_WORD).ending
    assert ending.broken is not None
    assert not ending.exited


def test_a_truncated_frame_is_a_hang_up_and_never_a_result() -> None:
    heard = Conversation(frame_json(frames.RESULT, [1, 2, 3])[:-1])
    assert not heard.ending.exited
    assert not heard.listener.has_result


def test_frames_cut_into_single_bytes_are_put_together() -> None:
    reader = FrameReader(frames.BOX_FRAMES)
    whole = frame(frames.STDOUT, b"abc") + frame_json(frames.STARTED, {})
    heard = [each for number in range(len(whole)) for each in reader.feed(whole[number : number + 1])]
    assert heard == [(frames.STDOUT, b"abc"), (frames.STARTED, b"{}")]
    assert not reader.in_the_middle


def test_nothing_after_the_last_word_is_heard() -> None:
    heard = Conversation(frame_json(frames.RESULT, 1) + LAST_WORD + frame(frames.STDOUT, b"late") + frame(99))
    assert heard.ending.exited
    assert heard.events == []


def test_silence_ends_by_the_hosts_clock() -> None:
    ending = Conversation(b"", hang_up=False, wall_seconds=0.2).ending
    assert ending.out_of_time
    assert 0.2 <= ending.seconds < 2


def test_output_over_its_limit_is_cut_there_and_ends_the_run_at_twice_as_much() -> None:
    heard = Conversation(frame(frames.STDOUT, b"x" * 1000) * 4, limits=Limits(output_bytes=1500))
    assert heard.ending.flooded
    assert sum(len(event.data) for event in heard.events if isinstance(event, Output)) == 1500


def test_endless_small_frames_end_the_run_too() -> None:
    chatter = frame_json(frames.PROGRESS, {"fraction": 0.5, "text": ""}) * 30_000
    assert Conversation(chatter).ending.flooded


@pytest.mark.parametrize("payload", [b"[" * 5000 + b"]" * 5000, b'{"a":' * 200 + b"1" + b"}" * 200, b"[" * 5_000_000])
def test_deep_json_is_refused_without_being_built(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match=f"deeper than {MAX_DEPTH}"):
        parse_json(payload)


def test_brackets_inside_text_are_not_depth() -> None:
    assert parse_json(json.dumps("[[" * 500 + '\\"' + "{" * 500).encode()) == "[[" * 500 + '\\"' + "{" * 500


@pytest.mark.parametrize("payload", [b"", b"NaN", b"Infinity", b"\xff\xfe", b"{", b"1" * 10_000, b'{"a": 1,}'])
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_json(payload)


def test_text_that_no_database_stores_is_made_storable() -> None:
    assert parse_json(rb'{"a\u0000": ["\ud800", "ok\u0000"]}') == {"a\ufffd": ["\ufffd", "ok\ufffd"]}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"id": 5, "parent": None, "function": "f", "seconds": 1},
        {"id": "1", "parent": None, "function": "f", "seconds": "long"},
        {"id": "1", "parent": None, "function": "f", "seconds": 1, "line": 10**30},
        {"id": "1", "parent": None, "function": "f", "seconds": 1, "line": True},
        {"id": "1", "parent": [], "function": "f", "seconds": 1},
    ],
)
def test_an_event_with_values_of_other_types_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        parse_event(frames.SPAN_ENDED, json.dumps(fields).encode())


def test_rubbish_in_the_tools_own_frames_is_the_tools_error_and_not_a_loss() -> None:
    ending = Conversation(frame(frames.SPAN_ENDED, b"rubbish") + LAST_WORD).ending
    assert ending.spoiled is not None
    assert ending.broken is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/../b", "/etc/passwd", "a//b", "a\\b", "a\nb", "a\0b", "\u202ea", "a" * 256, "a/"]
)
def test_an_artifact_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        check_artifact_name(name)


@pytest.mark.parametrize(
    "said",
    [
        frame(frames.ARTIFACT_DATA, b"data without a file"),
        frame_json(frames.ARTIFACT_ENDED, {}),
        frame_json(frames.ARTIFACT_STARTED, {"name": "a"}) * 2,
        (frame_json(frames.ARTIFACT_STARTED, {"name": "a"}) + frame_json(frames.ARTIFACT_ENDED, {})) * 3,
        frame_json(frames.ARTIFACT_STARTED, {"name": "a"}) + frame(frames.ARTIFACT_DATA, b"x" * 11),
    ],
)
def test_files_out_of_order_or_over_their_limits_are_the_tools_error(said: bytes) -> None:
    ending = Conversation(said + LAST_WORD, limits=Limits(artifact_files=2, artifact_bytes=10)).ending
    assert ending.spoiled is not None


def test_more_unanswered_requests_than_may_be_are_the_tools_error() -> None:
    is_over = threading.Event()
    heard = Conversation(QUESTION * (frames.OUTSTANDING + 1), answer=lambda request: is_over.wait(20))
    is_over.set()
    assert heard.ending.spoiled is not None
    assert "more than 32 requests at a time" in heard.ending.spoiled


def test_requests_that_wait_for_their_answers_take_a_bounded_part_of_the_hosts_memory() -> None:
    """A megabyte of empty objects becomes some thirty in memory, and a waiting request keeps them."""
    is_over = threading.Event()
    large = frame_json(frames.REQUEST, {"id": 1, "verb": "a", "payload": {"item": [{}] * 340_000}})
    within = frames.OUTSTANDING_BYTES // len(large)
    assert Conversation(large * within, answer=lambda request: is_over.wait(20)).ending.spoiled is None
    heard = Conversation(large * (within + 1), answer=lambda request: is_over.wait(20))
    is_over.set()
    assert heard.ending.spoiled is not None
    assert "more than 4 MiB of them" in heard.ending.spoiled


def test_a_megabyte_of_brackets_is_read_in_a_fraction_of_the_time_that_its_parts_one_by_one_would_take() -> None:
    text = b"[" + b"{}," * 340_000 + b"1]"
    began = time.process_time()
    for _ in re.finditer(rb"[{]|[}]", text):
        pass
    one_by_one, began = time.process_time() - began, time.process_time()
    assert not _is_too_deep(text)
    assert time.process_time() - began < one_by_one / 3


@pytest.mark.parametrize("number", [None, -1, 2**31, "1", 1.5, True])
def test_a_request_without_a_number_is_the_tools_error(number: object) -> None:
    heard = Conversation(frame_json(frames.REQUEST, {"id": number, "verb": "a", "payload": {}}))
    assert heard.ending.spoiled is not None


def test_more_requests_than_the_limit_end_the_run() -> None:
    assert Conversation(QUESTION, limits=Limits(requests=1)).ending.asked_too_often is False
    is_over = threading.Event()
    heard = Conversation(QUESTION * 2, limits=Limits(requests=1), answer=lambda request: is_over.wait(20))
    is_over.set()
    assert heard.ending.asked_too_often
