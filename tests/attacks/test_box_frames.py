"""What a tool writes into its own pipes by hand: nothing of it may stop, starve or mislead the worker that reads it."""

import json
import time

import pytest

from sandbox.protocol import parse_event, parse_json
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    "payload",
    [
        b'"' + b'\\"' * (MEGABYTE // 2),
        b'"' + b"\\\n" * (MEGABYTE // 2),
        b'"' * MEGABYTE,
        b'["\\' * (MEGABYTE // 4),
    ],
    ids=["escaped quotes", "escaped line ends", "quotes", "opened again and again"],
)
def test_a_string_that_never_ends_is_refused_in_linear_time(payload: bytes) -> None:
    """With backtracking the first of these holds the whole worker process for hours, heartbeats included."""
    began = time.monotonic()
    with pytest.raises(ProtocolError):
        parse_json(payload)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"[1e999]", b'{"a": 1e400}', b"NaN", b"Infinity"])
def test_numbers_without_a_place_in_the_database_are_refused(number: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_json(number)


def test_depth_is_counted_in_the_encoding_that_is_read() -> None:
    hidden = ("∀" + "[" * 500 + "]" * 500).encode("utf-16-le")  # ∀ holds the byte of a quote
    with pytest.raises(ProtocolError):
        parse_json(hidden)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (frames.PROGRESS, {"fraction": 10**400, "text": ""}),
        (frames.SPAN_ENDED, {"id": "1", "function": "f", "seconds": 10**400}),
        (frames.SPAN_ENDED, {"id": "1", "function": "f", "seconds": 1, "line": -1}),
        (frames.SPAN_ENDED, {"id": "1", "function": "f", "seconds": 1, "line": 1 << 31}),
    ],
    ids=["progress", "seconds", "negative line", "line over the column"],
)
def test_numbers_that_no_column_takes_are_a_breach_and_no_fault_of_the_host(kind: int, fields: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        parse_event(kind, json.dumps(fields).encode())
