"""A run's output as lines: chunks hold what came within 50 ms, whole lines or parts of them."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asgiref.sync import sync_to_async

from apps.core.tenancy import scope
from apps.runs.models import LogChunk

SLICE = 200  # chunks read at a time, each with a short transaction of its own


@dataclass
class LogLine:
    """`seq` is of the last chunk that has a part of it; `at` is when its beginning was heard."""

    seq: int
    attempt: int
    at: datetime
    stream: str
    level: str
    text: str
    is_whole: bool = False


def lines_of(chunks: Iterable[LogChunk]) -> list[LogLine]:
    """In the order in which they began; what goes on after output of another stream joins its own beginning."""
    lines: list[LogLine] = []
    unfinished: dict[tuple[int, str, str], LogLine] = {}
    for chunk in chunks:
        key = (chunk.attempt, chunk.stream, chunk.level)
        for text in _parts(chunk.text):
            line = unfinished.pop(key, None)
            if line is None:
                line = LogLine(chunk.seq, chunk.attempt, chunk.at, chunk.stream, chunk.level, "")
                lines.append(line)
            line.text += text.removesuffix("\n")
            line.seq, line.is_whole = chunk.seq, text.endswith("\n")
            if not line.is_whole:
                unfinished[key] = line
    return lines


def text_of_run(workspace_id: UUID, run_id: UUID) -> Iterator[str]:
    """The whole log as text, a line of output a line, in pieces; nobody holds a transaction while a reader is slow."""
    after, before = 0, ""
    while piece := _next_piece(workspace_id, run_id, after, before):
        after, before, text = piece
        yield text


async def text_of_run_later(workspace_id: UUID, run_id: UUID) -> AsyncIterator[str]:
    """The same under ASGI."""
    after, before = 0, ""
    while piece := await sync_to_async(_next_piece)(workspace_id, run_id, after, before):
        after, before, text = piece
        yield text


def _next_piece(workspace_id: UUID, run_id: UUID, after: int, before: str) -> tuple[int, str, str] | None:
    """The next chunks, each with a mark before it where something else speaks than before; None when there are no more."""
    with scope(workspace_id):
        chunks = list(LogChunk.objects.filter(run_id=run_id, seq__gt=after).order_by("seq")[:SLICE])
    text = ""
    for chunk in chunks:
        speaker = f"attempt {chunk.attempt}, {chunk.stream}{f' {chunk.level}' if chunk.level else ''}"
        if speaker != before:
            begin = "\n" if before else ""
            text += f"{begin}--- {speaker}, {chunk.at:%Y-%m-%d %H:%M:%S.%f} UTC\n"
        before = speaker
        text += chunk.text
    return (chunks[-1].seq, before, text) if chunks else None


def _parts(text: str) -> list[str]:
    """At line feeds alone: str.splitlines also splits at what only looks like the end of a line."""
    pieces = text.split("\n")
    return [f"{piece}\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
