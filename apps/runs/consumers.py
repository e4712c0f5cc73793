"""The live log of one run over a websocket. The database is the truth; hints only say when to look again."""

import re
from dataclasses import replace
from uuid import UUID

from apps.runs.log_slices import Place, next_slice
from apps.workspaces.consumers import WorkspaceConsumer

LOOK_AGAIN_SECONDS = 2.0  # hints can be lost; nobody waits longer than this for a line that is stored


class RunLogConsumer(WorkspaceConsumer):
    """Sends `{"type": "lines", "lines": […], "state": …}` for everything after `?after=`, then waits for a hint or 2 s.

    The frame of type "end" is the last. A slow reader costs one slice, never a queue: the next slice is read
    only when the last one was sent.
    """

    async def open(self, parameters: dict[str, str]) -> None:
        run_id = UUID(str(self.scope["url_route"]["kwargs"]["run_id"]))
        given = parameters.get("after", "")
        place = Place(self.membership.workspace_id, run_id, int(given) if re.fullmatch("[0-9]{1,9}", given) else 0)
        if await next_slice(place) is None:
            await self.refuse()
            return
        await self.listen(f"log.{run_id.hex}")
        self.start(self._follow(place))

    async def _follow(self, place: Place) -> None:
        while (found := await next_slice(place)) is not None:
            place = replace(place, after=found.last_seq)
            await self.send(text_data=found.frame)
            if found.is_last:
                break
            if not found.has_lines:
                await self.hint_or(LOOK_AGAIN_SECONDS)
        await self.close()
