"""Wait for a run without holding a thread or a connection, and tell how far it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async

from apps.core.nudges import awaiting
from apps.core.tenancy import scope
from apps.runs.models import Run
from apps.runs.services import find_run
from apps.runs.states import RunState
from apps.workspaces.models import Membership

LONGEST_WAIT_SECONDS = 600.0
LOOK_SECONDS = 1.0  # without a nudge
SMALLEST_STEP = 1e-6  # the protocol wants progress to rise with each word about it

type Tell = Callable[[float, str], Awaitable[None]]


async def perform[Result](member: Membership, act: Callable[[], Result]) -> Result:
    """Do something with the database in the member's workspace, in a thread and a transaction of its own."""
    result: Result = await database_sync_to_async(_within, thread_sensitive=False)(member, act)
    return result


def _within(member: Membership, act: Callable[[], Any]) -> Any:
    with scope(member.workspace_id):
        return act()


async def wait_for_run(member: Membership, run_id: UUID, tell: Tell) -> Run:
    """The run as it ended; as it is when it waits for people or takes too long. Each change of its progress is told."""
    deadline, last, share = time.monotonic() + LONGEST_WAIT_SECONDS, None, 0.0
    with awaiting(run_id) as nudged:
        while True:
            run = await perform(member, lambda: find_run(run_id))
            progress = (run.progress, run.progress_text, run.state)
            if progress != last:
                share = max(run.progress or 0.0, share + SMALLEST_STEP if last else 0.0)
                await tell(share, run.progress_text or run.state)
            last = progress
            if not run.is_open or run.state == RunState.AWAITING_APPROVAL or time.monotonic() > deadline:
                return run
            with suppress(TimeoutError):
                await asyncio.wait_for(nudged.wait(), LOOK_SECONDS)
            nudged.clear()
