"""The proxy of one box: a thread with a loop of its own, so that nothing which a tool or a host does can hold up the run."""

import asyncio
import logging
import socket
import threading
from collections import deque

from sandbox.egress.dialing import Dialer, Resolve, look_up
from sandbox.egress.incoming import CHUNK
from sandbox.egress.limits import EgressLimits
from sandbox.egress.session import Budget, Session
from sandbox.egress.targets import Policy, Refused
from sandbox.events import Connection, OnEvent

log = logging.getLogger(__name__)
USUAL_LIMITS = EgressLimits()
_CLOSING_SECONDS = 5.0


class EgressProxy:
    """Serves from the moment it is made until `close`. The listener belongs to it."""

    def __init__(
        self, listener: socket.socket, *, policy: Policy, limits: EgressLimits = USUAL_LIMITS, resolve: Resolve = look_up
    ) -> None:
        self._listener, self._policy, self._limits = listener, policy, limits
        self._dialer, self._budget = Dialer(policy, limits, resolve), Budget(limits)
        self._ended: deque[Connection] = deque()
        self._at_work: dict[asyncio.Task[None], Session] = {}
        self._attempts_left = limits.attempts
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="egress-proxy", daemon=True)
        self._thread.start()

    def report(self, on_event: OnEvent) -> None:
        """Tell what has ended since the last time, in the caller's thread."""
        while self._ended:
            on_event(self._ended.popleft())

    def close(self) -> None:
        """End every connection. Idempotent; afterwards `report` tells the rest."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSING_SECONDS)
        if self._thread.is_alive():
            log.error("egress.proxy_did_not_end seconds=%s", _CLOSING_SECONDS)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            log.exception("egress.proxy_failed")
        finally:
            self._listener.close()
            self._loop.close()

    async def _serve(self) -> None:
        self._listener.setblocking(False)  # noqa: FBT003 (the socket's own interface)
        accepting = asyncio.ensure_future(self._accept_all())
        await asyncio.wait({accepting, asyncio.ensure_future(self._stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        tasks = [accepting, *self._at_work]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not accepting.cancelled():
            accepting.result()

    async def _accept_all(self) -> None:
        while True:
            connection, _ = await self._loop.sock_accept(self._listener)
            self._attempts_left -= 1
            if self._attempts_left < -1:  # the one that was too many was told; the rest is not worth a row
                connection.close()
                continue
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=CHUNK)
            self._begin(reader, writer)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer, policy=self._policy, limits=self._limits, dialer=self._dialer, budget=self._budget)
        refusal = self._find_refusal()
        task = self._loop.create_task(session.refuse(refusal) if refusal else session.serve())
        self._at_work[task] = session
        task.add_done_callback(self._note)

    def _find_refusal(self) -> Refused | None:
        if self._attempts_left < 0:
            return Refused(f"A run may try {self._limits.attempts} connections; this one and all later ones are refused.", 429)
        if len(self._at_work) >= self._limits.at_once:
            return Refused(f"A run may hold {self._limits.at_once} connections at a time.", 429)
        return None

    def _note(self, task: asyncio.Task[None]) -> None:
        session = self._at_work.pop(task)
        self._ended.append(session.record())
        if not task.cancelled() and (failure := task.exception()):
            log.error("egress.session_failed", exc_info=failure)
