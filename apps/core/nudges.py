"""Nudges between processes: "look at this row now". Never data, never the truth: a lost one costs a second.

Redis carries a row's id on one channel. One thread per process hears it and wakes whoever waits for that id here.
"""

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from uuid import UUID

import redis
from django.conf import settings
from django.db import transaction

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
_waiting: dict[str, set[Callable[[], object]]] = defaultdict(set)  # what wakes each that waits for a row
_lock = threading.Lock()


def nudge(row_id: UUID) -> None:
    """After the commit, wake everybody who waits for this row, in whatever process."""
    transaction.on_commit(lambda: _send(str(row_id)), robust=True)


@contextmanager
def waiting_for(row_id: UUID) -> Iterator[threading.Event]:
    """An event that is set by each nudge for the row. Wait with a time limit, clear it, and ask the database."""
    event = threading.Event()
    with _woken(row_id, event.set):
        yield event


@contextmanager
def awaiting(row_id: UUID) -> Iterator[asyncio.Event]:
    """The same for a coroutine, which holds no thread while it waits."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    with _woken(row_id, lambda: loop.call_soon_threadsafe(event.set)):
        yield event


@contextmanager
def _woken(row_id: UUID, wake: Callable[[], object]) -> Iterator[None]:
    key = str(row_id)
    _listener()
    with _lock:
        _waiting[key].add(wake)
    try:
        yield
    finally:
        with _lock:
            _waiting[key].discard(wake)
            if not _waiting[key]:
                del _waiting[key]


def _send(key: str) -> None:
    try:
        _client().publish(_channel(), key)
    except redis.RedisError as error:
        log.warning("nudge.not_sent row=%s error=%s", key, error)


def _wake(key: str) -> None:
    with _lock:
        for wake in _waiting.get(key, ()):
            wake()


def _channel() -> str:
    return f"selfsmith-{settings.INSTALLATION}.nudges"


@cache
def _client() -> redis.Redis:
    """For publishing: a page must not hang when Redis does."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


@cache
def _listener() -> threading.Thread:
    thread = threading.Thread(target=_listen, name="nudges", daemon=True)
    thread.start()
    return thread


def _listen() -> None:
    """Hear for as long as the process lives. While Redis is away the waiting ask by their own clocks; it is told once."""
    is_told = False
    while True:
        try:
            with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub(ignore_subscribe_messages=True) as channel:
                channel.subscribe(_channel())
                is_told = False
                for message in channel.listen():
                    _wake(message["data"].decode())
        except redis.RedisError as error:
            if not is_told:
                log.warning("nudge.not_heard error=%s", error)
            is_told = True
        time.sleep(RETRY_SECONDS)
