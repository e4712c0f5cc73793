"""Writes down what a running box says: output, spans, progress; and keeps the files that it makes.

The box's callback only puts events into a bounded queue, so a flood waits in the box and not in this process; a thread
of its own takes them out in batches, one short transaction each, guarded by the run's token.
"""

import codecs
import queue
import threading
import time
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Max

from apps.core import blobs, leases
from apps.core.blobs import Blob
from apps.core.notify import publish
from apps.core.tenancy import scope
from apps.runs.models import Artifact, LogChunk, Run, Span
from apps.runs.services import media_type_of
from sandbox import (
    LIMITS,
    ArtifactData,
    ArtifactEnded,
    ArtifactSkipped,
    ArtifactStarted,
    Event,
    Log,
    Output,
    OutputCut,
    Progress,
    SpanEnded,
    SpansDropped,
    SpanStarted,
)

BATCH_SECONDS = 0.05  # between two batches of a run that prints much
COMPANY_SECONDS = 0.005  # what the first line after a silence waits: an unbuffered print writes its line end by itself
BATCH_EVENTS = 500
QUEUED_EVENTS = 1000
CHUNK_CHARACTERS = 16_384  # a chunk is a slice of output, small enough for one frame to a page


class Recorder:
    """One per attempt. `hear` is the box's callback; `close` returns when all is stored.

    Raises from close(): LeaseLost when another worker holds the run; whatever the storing thread met otherwise.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._events: queue.Queue[Event | None] = queue.Queue(QUEUED_EVENTS)
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr", "system")}
        self._seq = 0
        self._stored_at = 0.0
        self._artifact = bytearray()
        self._made: dict[str, Blob] = {}  # a name that is saved again replaces what it stood for
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name=f"recorder-{run.pk}", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        """Raises what the storing thread met, so that the box is stopped rather than run unrecorded."""
        if self._failure is not None:
            raise self._failure
        self._events.put(event)

    def close(self) -> None:
        self._events.put(None)
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
            for name, blob in self._made.items()
        ]

    def _work(self) -> None:
        more = True
        try:
            with scope(self._run.workspace_id):
                self._seq = LogChunk.objects.filter(run=self._run).aggregate(last=Max("seq"))["last"] or 0
            while more:
                batch, more = self._take_batch()
                self._store(batch)
        except Exception as error:  # noqa: BLE001  kept for hear() and close(), which raise it in the worker's thread
            self._failure = error
            if more:
                self._discard_rest()
        finally:
            connection.close()

    def _take_batch(self) -> tuple[list[Event], bool]:
        """Wait for one event, then collect what comes until the next batch is due; False when the end was among them."""
        first = self._events.get()
        if first is None:
            return [], False
        batch = [first]
        deadline = max(time.monotonic() + COMPANY_SECONDS, self._stored_at + BATCH_SECONDS)
        while len(batch) < BATCH_EVENTS:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if event is None:
                return batch, False
            batch.append(event)
        return batch, True

    def _discard_rest(self) -> None:
        """Keep taking, so that a full queue never blocks the box's thread for ever."""
        while self._events.get() is not None:
            pass

    def _store(self, batch: list[Event]) -> None:
        if not batch:
            return
        self._stored_at = time.monotonic()
        with scope(self._run.workspace_id):
            leases.assert_held(self._run)
            LogChunk.objects.bulk_create(self._log_chunks(batch))
            self._store_spans(batch)
            self._store_progress(batch)
            publish(self._run.workspace_id, f"log.{self._run.pk.hex}")
        for event in batch:
            self._collect_artifact(event)

    def _log_chunks(self, batch: list[Event]) -> list[LogChunk]:
        now, chunks = datetime.now(UTC), []
        for stream, text in self._merged_output(batch):
            for start in range(0, len(text), CHUNK_CHARACTERS):
                self._seq += 1
                piece = text[start : start + CHUNK_CHARACTERS]
                chunks.append(
                    LogChunk(run=self._run, attempt=self._run.attempt, seq=self._seq, stream=stream, at=now, text=piece)
                )
        return chunks

    def _merged_output(self, batch: list[Event]) -> list[tuple[str, str]]:
        """Neighbouring output of one stream as one text. PostgreSQL keeps no NUL; it is shown as its symbol anyway."""
        merged: list[tuple[str, str]] = []
        for event in batch:
            said = _said(event)
            if said is None:
                continue
            stream, data = said
            text = self._decoders[stream].decode(data).replace("\x00", "␀")
            if merged and merged[-1][0] == stream:
                merged[-1] = (stream, merged[-1][1] + text)
            elif text:
                merged.append((stream, text))
        return merged

    def _store_spans(self, batch: list[Event]) -> None:
        started = {event.id: event for event in batch if isinstance(event, SpanStarted)}
        ended = {event.id: event for event in batch if isinstance(event, SpanEnded)}
        new = [self._new_span(span, ended.get(key)) for key, span in started.items()]
        Span.objects.bulk_create(new, ignore_conflicts=True)  # a box that repeats an id only spoils its own tree
        for key, end in ended.items():
            if key not in started:
                Span.objects.filter(run=self._run, attempt=self._run.attempt, key=key).update(**_span_end(end))

    def _new_span(self, start: SpanStarted, end: SpanEnded | None) -> Span:
        return Span(
            run=self._run,
            attempt=self._run.attempt,
            key=start.id[:40],
            parent_key=(start.parent or "")[:40],
            function_name=_clean(start.function)[:200],
            arguments_preview=_clean(start.arguments_preview),
            **(_span_end(end) if end else {}),
        )

    def _store_progress(self, batch: list[Event]) -> None:
        told = [event for event in batch if isinstance(event, Progress)]
        if told:
            last = told[-1]
            fields = {"progress": min(1.0, max(0.0, last.fraction)), "progress_text": _clean(last.text)[:200]}
            leases.held(self._run).update(**fields)
            publish(self._run.workspace_id, f"run.{self._run.pk.hex}")

    def _collect_artifact(self, event: Event) -> None:
        if isinstance(event, ArtifactStarted):
            self._artifact.clear()
        elif isinstance(event, ArtifactData):
            self._artifact += event.data
        elif isinstance(event, ArtifactEnded):
            blob = blobs.put(self._run.workspace_id, [bytes(self._artifact)], max_bytes=event.size)
            self._artifact.clear()
            self._made[event.name[:300]] = blob


def _said(event: Event) -> tuple[str, bytes] | None:
    """What belongs in the log: the tool's output, and lines of the platform about it."""
    match event:
        case Output():
            return event.stream, event.data
        case Log():
            return "system", f"[{_one_line(event.level)}] {_one_line(event.text)}\n".encode()
        case OutputCut():
            shown = LIMITS["output_bytes"].show(event.limit)
            return "system", f"… output over the limit of {shown} is not kept\n".encode()
        case SpansDropped():
            return "system", b"More calls were made than are recorded; the rest is left out of the call tree.\n"
        case ArtifactSkipped():
            return "system", f"The file “{_one_line(event.name)}” was not kept: {_one_line(event.reason)}\n".encode()
        case _:
            return None


def _span_end(end: SpanEnded) -> dict[str, Any]:
    return {
        "result_preview": _clean(end.result_preview or ""),
        "error": _clean(end.error or ""),
        "line": end.line,
        "seconds": end.seconds,
    }


def _one_line(text: str) -> str:
    """A tool's word within a line of the platform's: it cannot begin a line of its own, which would pass as the platform's."""
    return " ".join(text.splitlines())


def _clean(text: str) -> str:
    return text.replace("\x00", "␀")
