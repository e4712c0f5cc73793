"""Slices of a run's log, as frames for sockets. Those of one process that follow the same lines read them together.

Fifty people who watch one run would otherwise cost the database fifty answers to each line, one after the other.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

from channels.db import database_sync_to_async
from django.core.serializers.json import DjangoJSONEncoder

from apps.core.tenancy import scope
from apps.runs.models import LogChunk, Run

SLICE = 200  # chunks in one frame


@dataclass(frozen=True)
class Slice:
    """`frame`: what a socket sends, as JSON. `is_last` when the run is over and nothing was left to be told."""

    frame: str
    last_seq: int
    has_lines: bool
    is_last: bool


@dataclass(frozen=True)
class Place:
    """Where a reader stands in a run's log: all up to `after` has been told."""

    workspace_id: UUID
    run_id: UUID
    after: int


class JointReads[Key, Found]:
    """Who asks for a key gets a reading that began after the asking, together with all who ask until it begins.

    A reading that is under way may have missed what a reader was just told of, so nobody joins one.
    """

    def __init__(self, load: Callable[[Key], Awaitable[Found]]) -> None:
        self._load = load
        self._next: dict[Key, asyncio.Task[Found]] = {}
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def read(self, key: Key) -> Found:
        """Raises: what loading raises, to all who asked."""
        if key not in self._next:
            self._next[key] = asyncio.create_task(self._begin(key))
        return await asyncio.shield(self._next[key])  # one reader's end is not the others'

    async def _begin(self, key: Key) -> Found:
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            del self._next[key]
            return await self._load(key)


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, JointReads[Place, Slice | None]] = WeakKeyDictionary()


async def next_slice(place: Place) -> Slice | None:
    """What follows in the log; None when there is no such run in the workspace."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loop:
        _of_loop[loop] = JointReads(database_sync_to_async(_read, thread_sensitive=False))
    return await _of_loop[loop].read(place)


def _read(place: Place) -> Slice | None:
    """The state is read before the lines: an end is told only after all of them."""
    with scope(place.workspace_id):
        run = Run.objects.filter(pk=place.run_id).only("state", "progress", "progress_text", "message").first()
        if run is None:
            return None
        chunks = list(LogChunk.objects.filter(run_id=place.run_id, seq__gt=place.after).order_by("seq")[:SLICE])
    is_last = not run.is_open and not chunks
    last_seq = chunks[-1].seq if chunks else place.after
    frame = {
        "type": "end" if is_last else "lines",
        "lines": [chunk.as_json() for chunk in chunks],
        "last_seq": last_seq,
        "state": run.state,
        "finished": not run.is_open,
        "progress": run.progress,
        "progress_text": run.progress_text,
        "message": run.message,
    }
    return Slice(json.dumps(frame, cls=DjangoJSONEncoder), last_seq, bool(chunks), is_last)
