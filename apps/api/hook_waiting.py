"""Senders that wait for what comes of their delivery. Hints say when to look; a lost one costs a second."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings

from apps.core.notify import group_name
from apps.triggers.webhooks.outcomes import Outcome, outcome_of
from apps.triggers.webhooks.receiving import Receipt

log = logging.getLogger(__name__)
LOOK_AGAIN_SECONDS = 1.0
LEAST_PAUSE_SECONDS = 0.05  # between two looks: a busy workspace gives a hint with every run
TOPICS = ("rules", "runs")
_places = {"taken": 0}


async def wait_for_outcome(
    receipt: Receipt, seconds: float, receive_more: Callable[[], Awaitable[Mapping[str, Any]]]
) -> Outcome | None:
    """What has come of the event when all of it is over, when the time is, or when the sender has hung up.

    None when as many senders wait in this process as may: the event is told all the same.
    """
    if _places["taken"] >= settings.WEBHOOK_WAITING:
        return None
    _places["taken"] += 1
    hung_up = asyncio.ensure_future(receive_more())
    try:
        async with _hints(receipt.workspace_id) as hint:
            return await _watch(receipt, seconds, hint, hung_up)
    finally:
        hung_up.cancel()
        _places["taken"] -= 1


async def _watch(receipt: Receipt, seconds: float, hint: asyncio.Event, hung_up: "asyncio.Future[Any]") -> Outcome:
    look = database_sync_to_async(outcome_of, thread_sensitive=False)
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while True:
        hint.clear()
        outcome = await look(receipt.workspace_id, receipt.event_id)
        left = deadline - clock()
        if outcome.is_complete or left <= 0 or hung_up.done():
            return outcome
        await asyncio.sleep(min(left, LEAST_PAUSE_SECONDS))
        waiting = asyncio.ensure_future(hint.wait())
        await asyncio.wait({waiting, hung_up}, timeout=min(left, LOOK_AGAIN_SECONDS), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()


@asynccontextmanager
async def _hints(workspace_id: UUID) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever a rule or a run of the workspace has changed."""
    hint = asyncio.Event()
    listening = asyncio.create_task(_listen(workspace_id, hint))
    try:
        yield hint
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _listen(workspace_id: UUID, hint: asyncio.Event) -> None:
    layer = get_channel_layer()
    assert layer is not None, "CHANNEL_LAYERS has no default"
    groups = [group_name(workspace_id, topic) for topic in TOPICS]
    try:
        channel = await layer.new_channel()
        for group in groups:
            await layer.group_add(group, channel)
        hint.set()  # what has happened until now was not heard
        try:
            while True:
                await layer.receive(channel)
                hint.set()
        finally:
            for group in groups:
                await layer.group_discard(group, channel)
    except Exception as error:  # noqa: BLE001  whoever waits looks by the clock then
        log.warning("hook.no_hints error=%s", error)
