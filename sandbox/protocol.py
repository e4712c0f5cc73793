"""The host's side of the protocol: turns frames from a box into checked values. Everything that arrives is hostile."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.events import (
    ArtifactData,
    ArtifactSkipped,
    ArtifactStarted,
    Event,
    HostRequest,
    Log,
    Output,
    Progress,
    SpanEnded,
    SpansDropped,
    SpanStarted,
)
from sandbox.outcome import Exit, JobError
from sandbox.runner import frames
from sandbox.runner.frames import ProtocolError

MAX_DEPTH = 80
# A string is taken whole, closed or not, and never given back: else a megabyte of quotes takes hours to look through.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LARGEST_FRACTION = 1e12  # seconds and shares; a whole number with hundreds of digits has no float
# What PostgreSQL's JSON and text cannot hold: NUL, and half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_json(payload: bytes) -> Any:
    """Strict JSON, of limited depth, with text that any database can store.

    Raises: ProtocolError.
    """
    if _is_too_deep(payload):
        raise ProtocolError(f"JSON nested deeper than {MAX_DEPTH}")
    try:
        text = payload.decode()  # json would guess UTF-16 by itself, in which the depth above was not counted
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        return _storable(value) if "\\u" in text else value  # only as an escape do such characters get this far
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from None


def parse_object(payload: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises: ProtocolError.
    """
    value = parse_json(payload)
    if not isinstance(value, dict):
        raise ProtocolError("not a JSON object")
    return value


def parse_exit(payload: bytes) -> Exit:
    """The tool's end. Raises: ProtocolError."""
    fields = _Fields(parse_object(payload))
    return Exit(code=fields.number_or_none("code"), signal=fields.number_or_none("signal"))


def parse_error(payload: bytes) -> tuple[JobError, str | None]:
    """The tool's error and the limit it comes from. Raises: ProtocolError."""
    fields = _Fields(parse_object(payload))
    error = JobError(
        type=fields.text("type"),
        message=fields.text("message"),
        traceback=fields.text_or_none("traceback") or "",
        function=fields.text_or_none("function"),
        line=fields.number_or_none("line"),
    )
    return error, fields.text_or_none("limit")


def parse_wheel(payload: bytes) -> str:
    """The file name of the wheel whose files follow. Raises: ProtocolError."""
    return _Fields(parse_object(payload)).text("name")


def parse_request(payload: bytes) -> tuple[int, HostRequest]:
    """What the tool asks for, and the number by which it will know the answer. Raises: ProtocolError."""
    fields = _Fields(parse_object(payload))
    wanted = fields.values.get("payload")
    if not isinstance(wanted, dict):
        raise ProtocolError("a request without payload")
    number = fields.number_or_none("id")
    if number is None:
        raise ProtocolError("a request without number")
    return number, HostRequest(verb=fields.text("verb"), payload=wanted)


def parse_event(kind: int, payload: bytes) -> Event:
    """One event of the job.

    Raises: ProtocolError when the type is none of an event, or its payload not of its form.
    """
    if kind in _RAW:
        return _RAW[kind](payload)
    if kind not in _EVENTS:
        raise ProtocolError(f"frame type {kind} does not belong here")
    return _EVENTS[kind](_Fields(parse_object(payload)))


def check_artifact_name(name: str) -> str:
    """A relative path of plain parts.

    Raises: ProtocolError.
    """
    if not frames.is_plain_name(name):
        raise ProtocolError("an artifact with a name that is no plain relative path")
    return name


def _is_too_deep(payload: bytes) -> bool:
    """Or not balanced, which is no JSON either. Pairs are taken away from the inside, all of a level at once: to go through
    a megabyte of brackets one by one would keep the worker's other runs waiting for half a second."""
    brackets = _STRING.sub(b"", payload).translate(_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        before, brackets = len(brackets), brackets.replace(b"[]", b"")
        if len(brackets) == before:
            break
    return bool(brackets)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """Python reads 1e400 as infinity, which no database's JSON can hold."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is no finite number")
    return value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


class _Fields:
    """An object's values, each of the type that is asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def text(self, name: str) -> str:
        value = self.text_or_none(name)
        if value is None:
            raise ProtocolError(f"no text {name!r}")
        return value

    def text_or_none(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise ProtocolError(f"{name!r} is no text")
        return value

    def number_or_none(self, name: str) -> int | None:
        value = self.values.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31):
            raise ProtocolError(f"{name!r} is no small number")
        return value

    def fraction(self, name: str) -> float:
        value = self.values.get(name)
        if not isinstance(value, int | float) or abs(value) > _LARGEST_FRACTION:
            raise ProtocolError(f"{name!r} is no number of a sensible size")
        return float(value)


_RAW: dict[int, Callable[[bytes], Event]] = {
    frames.STDOUT: lambda data: Output("stdout", data),
    frames.STDERR: lambda data: Output("stderr", data),
    frames.ARTIFACT_DATA: ArtifactData,
}

_EVENTS: dict[int, Callable[[_Fields], Event]] = {
    frames.SPAN_STARTED: lambda fields: SpanStarted(
        id=fields.text("id"),
        parent=fields.text_or_none("parent"),
        function=fields.text("function"),
        arguments_preview=fields.text("arguments"),
    ),
    frames.SPAN_ENDED: lambda fields: SpanEnded(
        id=fields.text("id"),
        parent=fields.text_or_none("parent"),
        function=fields.text("function"),
        seconds=fields.fraction("seconds"),
        result_preview=fields.text_or_none("result"),
        error=fields.text_or_none("error"),
        line=fields.number_or_none("line"),
        arguments_preview=fields.text_or_none("arguments"),
    ),
    frames.SPANS_DROPPED: lambda fields: SpansDropped(),
    frames.PROGRESS: lambda fields: Progress(min(1.0, max(0.0, fields.fraction("fraction"))), fields.text("text")),
    frames.LOG: lambda fields: Log(fields.text("level"), fields.text("text")),
    frames.ARTIFACT_STARTED: lambda fields: ArtifactStarted(check_artifact_name(fields.text("name"))),
    frames.ARTIFACT_SKIPPED: lambda fields: ArtifactSkipped(fields.text("name"), fields.text("reason")),
}
