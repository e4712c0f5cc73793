"""The live log of one run over a websocket. The database is the truth; hints only say when to look again."""

import re
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async

from apps.core.tenancy import scope
from apps.runs.models import LogChunk, Run
from apps.workspaces.consumers import WorkspaceConsumer

SLICE = 200  # chunks in one frame
LOOK_AGAIN_SECONDS = 2.0  # hints can be lost; nobody waits longer than this for a line that is stored


class RunLogConsumer(WorkspaceConsumer):
    """Sends `{"type": "lines", "lines": […], "state": …}` for everything after `?after=`, then waits for a hint or 2 s.

    The frame of type "end" is the last. A slow reader costs one slice, never a queue: the next slice is read
    only when the last one was sent.
    """

    async def open(self, parameters: dict[str, str]) -> None:
        self.run_id = UUID(str(self.scope["url_route"]["kwargs"]["run_id"]))
        given = parameters.get("after", "")
        after = int(given) if re.fullmatch("[0-9]{1,9}", given) else 0
        if await self._look(after) is None:
            await self.refuse()
            return
        await self.listen(f"log.{self.run_id.hex}")
        self.start(self._follow(after))

    async def _follow(self, after: int) -> None:
        while True:
            frame = await self._look(after)
            if frame is None:
                await self.close()
                return
            after = frame["last_seq"]
            is_last = frame["finished"] and not frame["lines"]
            await self.send_json({"type": "end" if is_last else "lines", **frame})
            if is_last:
                await self.close()
                return
            if not frame["lines"]:
                await self.hint_or(LOOK_AGAIN_SECONDS)

    @database_sync_to_async
    def _look(self, after: int) -> dict[str, Any] | None:
        """The next slice, with the state as it was before the slice was read: an end is told only after all lines."""
        with scope(self.membership.workspace_id):
            run = Run.objects.filter(pk=self.run_id).only("state", "progress", "progress_text", "message").first()
            if run is None:
                return None
            chunks = list(LogChunk.objects.filter(run_id=self.run_id, seq__gt=after).order_by("seq")[:SLICE])
            return {
                "lines": [chunk.as_json() for chunk in chunks],
                "last_seq": chunks[-1].seq if chunks else after,
                "state": run.state,
                "finished": not run.is_open,
                "progress": run.progress,
                "progress_text": run.progress_text,
                "message": run.message,
            }
