"""Websockets' entry point into a workspace: the address selects, membership decides, strangers are closed with 4404."""

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, cast
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User
from apps.core.notify import group_name
from apps.workspaces.models import Membership
from apps.workspaces.services import find_membership

NOT_FOUND = 4404
RECHECK_SECONDS = 30.0  # how long a socket may outlive the membership or the session that opened it


class WorkspaceConsumer(AsyncJsonWebsocketConsumer):
    """Subclasses override `open`. Hints coalesce: however many arrive, one look follows."""

    membership: Membership

    async def connect(self) -> None:
        self._hint = asyncio.Event()
        self._groups: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        member = await self._find_member()
        await self.accept()
        if member is None:
            await self.refuse()
            return
        self.membership = member
        await self.open(dict(parse_qsl(self.scope["query_string"].decode("latin-1"))))
        self.start(self._recheck())

    async def open(self, parameters: dict[str, str]) -> None:
        """Check what is asked for, listen to a topic, start to send."""
        raise NotImplementedError

    async def refuse(self) -> None:
        """The same answer for what is foreign and for what does not exist."""
        await self.close(NOT_FOUND)

    async def listen(self, topic: str) -> None:
        group = group_name(self.membership.workspace_id, topic)
        await self.channel_layer.group_add(group, self.channel_name)
        self._groups.append(group)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def hint(self, message: dict[str, Any]) -> None:
        """Called by the channel layer for messages of type "hint"."""
        self._hint.set()

    async def hint_or(self, seconds: float) -> None:
        """Until a hint has come, or so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hint.wait(), seconds)
        self._hint.clear()

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        for group in self._groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Pages say nothing over a socket; whatever comes is not read."""

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if await self._find_member() is None:
                await self.refuse()
                return

    @database_sync_to_async
    def _find_member(self) -> Membership | None:
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            return None
        member = find_membership(user=cast(User, user), slug=self.scope["url_route"]["kwargs"]["slug"])
        return member if member and _is_signed_in(self.scope["session"], member.user) else None


def _is_signed_in(opened_with: SessionBase, user: User) -> bool:
    """Asks the store anew: the session may have ended since the socket was opened, by signing out or by a new password."""
    store = opened_with.__class__  # not type(): channels gives a lazy object in the session's stead
    stored = store(opened_with.session_key).get(HASH_SESSION_KEY, "")
    return constant_time_compare(stored, user.get_session_auth_hash())


class HintConsumer(WorkspaceConsumer):
    """Tells a page that something of one topic has changed, and nothing more: the page asks again by HTTP."""

    TOPIC = re.compile(r"runs|tasks|approvals|packages|models|rules|store|(run|task|approval|packages)\.[0-9a-f]{32}")

    async def open(self, parameters: dict[str, str]) -> None:
        topic = parameters.get("topic", "")
        if self.TOPIC.fullmatch(topic) is None:
            await self.refuse()
            return
        await self.listen(topic)
        self.start(self._tell())

    async def _tell(self) -> None:
        while True:
            await self._hint.wait()
            self._hint.clear()
            await self.send_json({"type": "changed"})
