"""Hints to open pages: "there is more". Never data: whoever hears one reads the database.

The layer's connections belong to an event loop, so one loop in a thread of its own serves the whole process.
"""

import asyncio
import logging
import threading
from functools import cache
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)


def group_name(workspace_id: UUID, topic: str) -> str:
    """The workspace's id is in the name, so that a group never spans two tenants."""
    return f"w.{workspace_id.hex}.{topic}"


def publish(workspace_id: UUID, topic: str, **hint: Any) -> None:
    """After the commit, tell the sockets of this topic. Lost hints are made up for by the reader's own clock."""
    message = {"type": "hint", **hint}
    transaction.on_commit(lambda: _send(group_name(workspace_id, topic), message), robust=True)


def _send(group: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    assert layer is not None, "CHANNEL_LAYERS has no default"
    sending = asyncio.run_coroutine_threadsafe(layer.group_send(group, message), _loop())
    sending.add_done_callback(_log_failure)


def _log_failure(sending: Any) -> None:
    if error := sending.exception():
        log.warning("hint.not_sent error=%s", error)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="hints", daemon=True).start()
    return loop
