"""Writes down what a running box says: output, spans, progress; and keeps the files that it makes.

The box's callback only puts events into a bounded queue, so a flood waits in the box and not in this process; a thread
of its own takes them out in batches, one short transaction each, guarded by the run's token. Files go straight to the
disk, piece by piece.
"""

import codecs
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Max

import sandbox
from apps.core import leases
from apps.core.notify import publish
from apps.core.tenancy import scope
from apps.runs.event_queue import EventQueue, Heard
from apps.runs.hiding import NO_SECRETS, hide_in_event
from apps.runs.incoming_artifacts import IncomingArtifacts
from apps.runs.log_policy import LogPolicy, known_level
from apps.runs.models import Artifact, Connection, LogChunk, Run, Span, StreamedItem
from apps.runs.services import media_type_of
from apps.vault.masking import Mask, Masker
from sandbox import (
    LIMITS,
    ArtifactAbandoned,
    ArtifactSkipped,
    Event,
    Item,
    Limits,
    Log,
    Output,
    OutputCut,
    Progress,
    SpanEnded,
    SpansDropped,
    SpanStarted,
)

STREAMS = ("stdout", "stderr", "log", "system")
BATCH_SECONDS = 0.05  # between two batches of a run that prints much
COMPANY_SECONDS = 0.005  # what the first line after a silence waits: an unbuffered print writes its line end by itself
BATCH_EVENTS = 500
PROGRESS_SECONDS = 1.0  # between two writes of how far a tool says it is; the last word is always written
LINE_SECONDS = timedelta(milliseconds=50)  # output that came this close together shares a chunk, and its lines the time
CHUNK_CHARACTERS = 16_384  # a chunk is a slice of output, small enough for one frame to a page


@dataclass
class _Piece:
    """Neighbouring output of one stream, not yet cut into chunks."""

    stream: str
    level: str
    at: datetime
    text: str


class Recorder:
    """One per attempt. `hear` is the box's callback; `close` returns when all is stored.

    `is_unwanted` says that the run is being stopped: the box is then not kept waiting for a slow database.

    Raises from close(): LeaseLost when another worker holds the run; whatever the storing thread met otherwise.
    """

    def __init__(self, run: Run, *, mask: Mask = NO_SECRETS, is_unwanted: Callable[[], bool] = lambda: False) -> None:
        self._run, self._is_unwanted, self._mask = run, is_unwanted, mask
        self._policy = LogPolicy.of(run.logging, run.pk)
        self._events = EventQueue()
        self._streams = {name: _Stream(mask) for name in STREAMS}
        self._seq = 0
        self._stored_at = 0.0
        self._progress: Progress | None = None
        self._progress_at = float("-inf")
        self._items = 0
        self._has_told_sampling = False
        self._files = IncomingArtifacts(run.workspace_id, max_bytes=Limits(**run.limits).artifact_bytes)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=f"recorder-{run.pk}", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """Raises what the storing thread met, so that the box is stopped rather than run unrecorded."""
        if not self._events.put(event, is_unwanted=self._is_unwanted) and self._failure is None:
            self._events.abandon()  # a gap would pass for the whole: nothing of what follows is kept either
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        self._events.end()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def artifacts(self) -> list[Artifact]:
        """What the box made, after `close`, for the transaction that ends the run: an attempt that is lost leaves none."""
        return [
            Artifact(
                run=self._run,
                task_id=self._run.task_id,
                name=name,
                sha256=blob.sha256,
                size=blob.size,
                media_type=media_type_of(name),
            )
            for name, blob in self._files.made.items()
        ]

    def _work(self) -> None:
        try:
            if self._run.attempt > 1:
                with scope(self._run.workspace_id):
                    self._seq = LogChunk.objects.filter(run=self._run).aggregate(last=Max("seq"))["last"] or 0
            more = True
            while more:
                batch, more = self._take_batch()
                hidden = [replace(heard, event=hide_in_event(self._mask, heard.event)) for heard in batch]
                self._store(hidden, is_last=not more)
                self._events.stored(batch)
        except Exception as error:  # noqa: BLE001  kept for hear() and close(), which raise it in the worker's thread
            self._failure = error
            self._events.abandon()
        finally:
            self._files.drop_unfinished()

    def _take_batch(self) -> tuple[list[Heard], bool]:
        """Wait for one event, then collect what comes until the next batch is due; False when the end was among them."""
        first = self._events.take(BATCH_EVENTS)
        if first is None:
            return [], False
        batch = first
        deadline = max(time.monotonic() + COMPANY_SECONDS, self._stored_at + BATCH_SECONDS)
        while len(batch) < BATCH_EVENTS:
            company = self._events.take(BATCH_EVENTS - len(batch), until=deadline)
            if company is None:
                return batch, False
            if not company:
                break
            batch += company
        return batch, True

    def _store(self, batch: list[Heard], *, is_last: bool) -> None:
        self._note_progress(batch)
        if batch or (is_last and (self._progress or self._holds_back())):
            self._stored_at = time.monotonic()
            with scope(self._run.workspace_id):
                leases.assert_held(self._run)
                LogChunk.objects.bulk_create(self._log_chunks(batch, is_last=is_last))
                Connection.objects.bulk_create(self._connections(batch))
                self._store_items([heard.event.value for heard in batch if isinstance(heard.event, Item)])
                self._store_spans([heard.event for heard in batch])
                self._store_progress(is_last=is_last)
                publish(self._run.workspace_id, f"log.{self._run.pk.hex}")
        for heard in batch:
            self._files.take(heard.event)

    def _holds_back(self) -> bool:
        return any(stream.holds_back for stream in self._streams.values())

    def _connections(self, batch: list[Heard]) -> list[Connection]:
        return [
            Connection(
                run=self._run,
                attempt=self._run.attempt,
                host=_clean(heard.event.host)[:300],
                port=heard.event.port,
                verdict=heard.event.verdict,
                reason=_clean(heard.event.reason),
                sent=heard.event.sent,
                received=heard.event.received,
                seconds=heard.event.seconds,
                ended_at=heard.at,
            )
            for heard in batch
            if isinstance(heard.event, sandbox.Connection)
        ]

    def _log_chunks(self, batch: list[Heard], *, is_last: bool) -> list[LogChunk]:
        chunks = []
        for piece in self._merged_output(batch, is_last=is_last):
            for start in range(0, len(piece.text), CHUNK_CHARACTERS):
                self._seq += 1
                text = piece.text[start : start + CHUNK_CHARACTERS]
                chunks.append(
                    LogChunk(
                        run=self._run,
                        attempt=self._run.attempt,
                        seq=self._seq,
                        stream=piece.stream,
                        level=piece.level,
                        at=piece.at,
                        text=text,
                    )
                )
        return chunks

    def _merged_output(self, batch: list[Heard], *, is_last: bool) -> list[_Piece]:
        """Neighbouring output as one text."""
        merged: list[_Piece] = []
        for piece in self._pieces(batch, is_last=is_last):
            before = merged[-1] if merged else None
            alike = before and (before.stream, before.level) == (piece.stream, piece.level)
            if before and alike and piece.at - before.at < LINE_SECONDS:
                before.text += piece.text
            elif piece.text:
                merged.append(piece)
        return merged

    def _pieces(self, batch: list[Heard], *, is_last: bool) -> Iterator[_Piece]:
        for heard in batch:
            if said := self._kept(heard.event):
                stream, level, data = said
                yield _Piece(stream, level, heard.at, self._streams[stream].show(data))
        if is_last:
            for name, said_by in self._streams.items():
                yield _Piece(name, "", datetime.now(UTC), said_by.show_rest())

    def _kept(self, event: Event) -> tuple[str, str, bytes] | None:
        """Stream, level and bytes of what belongs in the log and is wanted there."""
        if isinstance(event, Log):
            level = known_level(event.level)
            return ("log", level, f"{_one_line(event.text)}\n".encode()) if self._policy.keeps_line(level) else None
        if isinstance(event, Output) and not self._policy.is_sampled:
            if self._has_told_sampling:
                return None
            self._has_told_sampling = True
            return "system", "", f"The output of this run is not kept: that of one run in {self._policy.sample} is.\n".encode()
        said = _said(event)
        return (said[0], "", said[1]) if said else None

    def _store_items(self, values: Sequence[Any]) -> None:
        run, first = self._run, self._items + 1
        self._items += len(values)
        StreamedItem.objects.bulk_create(
            [StreamedItem(run=run, attempt=run.attempt, number=number, value=value) for number, value in enumerate(values, first)]
        )
        if values:
            publish(run.workspace_id, f"run.{run.pk.hex}")

    def _store_spans(self, batch: Sequence[Event]) -> None:
        started = {event.id: event for event in batch if isinstance(event, SpanStarted)}
        ended = {event.id: event for event in batch if isinstance(event, SpanEnded)}
        new = [self._new_span(span, ended.get(key)) for key, span in started.items()]
        Span.objects.bulk_create(new, ignore_conflicts=True)  # a box that repeats an id only spoils its own tree
        for key, end in ended.items():
            if key not in started:
                Span.objects.filter(run=self._run, attempt=self._run.attempt, key=key).update(**self._span_end(end))

    def _new_span(self, start: SpanStarted, end: SpanEnded | None) -> Span:
        return Span(
            run=self._run,
            attempt=self._run.attempt,
            key=start.id[:40],
            parent_key=(start.parent or "")[:40],
            function_name=_clean(start.function)[:200],
            **{"arguments_preview": self._shown(start.arguments_preview), **(self._span_end(end) if end else {})},
        )

    def _span_end(self, end: SpanEnded) -> dict[str, Any]:
        return {
            "result_preview": self._shown(end.result_preview or ""),
            "error": _clean(end.error or ""),
            "line": end.line,
            "seconds": end.seconds,
            **({"arguments_preview": self._shown(end.arguments_preview)} if end.arguments_preview is not None else {}),
        }

    def _shown(self, preview: str) -> str:
        return _clean(preview) if self._policy.stores_arguments else ""

    def _note_progress(self, batch: list[Heard]) -> None:
        told = [heard.event for heard in batch if isinstance(heard.event, Progress)]
        self._progress = told[-1] if told else self._progress

    def _store_progress(self, *, is_last: bool) -> None:
        """The last value wins; what came too soon after the one before is written with a later batch."""
        last = self._progress
        if last is None or (time.monotonic() - self._progress_at < PROGRESS_SECONDS and not is_last):
            return
        self._progress, self._progress_at = None, time.monotonic()
        fields = {"progress": min(1.0, max(0.0, last.fraction)), "progress_text": _clean(last.text)[:200]}
        leases.held(self._run).update(**fields)
        publish(self._run.workspace_id, f"run.{self._run.pk.hex}")


class _Stream:
    """Bytes of one stream as text, without secrets. PostgreSQL keeps no NUL; it is shown as its symbol anyway."""

    def __init__(self, mask: Mask) -> None:
        self._masker = Masker(mask)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def holds_back(self) -> bool:
        """Whether there is what may be the beginning of a secret, or of a character."""
        return self._masker.holds_back or bool(self._decoder.getstate()[0])

    def show(self, data: bytes) -> str:
        return _clean(self._decoder.decode(self._masker.feed(data)))

    def show_rest(self) -> str:
        return _clean(self._decoder.decode(self._masker.flush(), final=True))


def _said(event: Event) -> tuple[str, bytes] | None:
    """What belongs in the log: the tool's output, and lines of the platform about it."""
    match event:
        case Output():
            return event.stream, event.data
        case OutputCut():
            shown = LIMITS["output_bytes"].show(event.limit)
            return "system", f"… output over the limit of {shown} is not kept\n".encode()
        case SpansDropped():
            return "system", b"More calls were made than are recorded; the rest is left out of the call tree.\n"
        case ArtifactAbandoned():
            return "system", f"The file “{_one_line(event.name)}” was not kept: it was not finished.\n".encode()
        case ArtifactSkipped():
            return "system", f"The file “{_one_line(event.name)}” was not kept: {_one_line(event.reason)}\n".encode()
        case _:
            return None


def _one_line(text: str) -> str:
    """A tool's word within a line of the platform's: it cannot begin a line of its own, which would pass as the platform's."""
    return " ".join(text.splitlines())


def _clean(text: str) -> str:
    return text.replace("\x00", "␀")
