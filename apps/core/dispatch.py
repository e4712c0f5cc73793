"""Waking workers. A message says only "there is work of this kind"; losing or doubling it changes nothing.

An app registers a kind of work with `register_work` in its ready(). A worker's thread calls `step` until it answers
False. The scheduler calls every `sweep` and wakes the kinds whose `pending` says that rows are due.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from celery import current_app, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from apps.core import stopping

log = logging.getLogger(__name__)
MESSAGES_PER_LOOK = 8  # more threads than this are woken by the work itself
MESSAGE_SECONDS = 10  # an older message says nothing new: the scheduler has sent another since


@dataclass(frozen=True)
class Work:
    """One kind of leased work: do one row, put back what was lost, count what is due."""

    kind: str
    step: Callable[[], bool]
    sweep: Callable[[], int]
    pending: Callable[[], int]


_kinds: dict[str, Work] = {}


def register_work(kind: str, *, step: Callable[[], bool], sweep: Callable[[], int], pending: Callable[[], int]) -> None:
    _kinds[kind] = Work(kind, step, sweep, pending)


def registered_work() -> list[Work]:
    return list(_kinds.values())


def wake(kind: str) -> None:
    """After the commit, send one message. A broker that is away is logged: the scheduler repeats the call."""
    transaction.on_commit(lambda: _send(kind), robust=True)


def _send(kind: str) -> None:
    try:
        current_app.send_task("selfsmith.wake", args=[kind], expires=MESSAGE_SECONDS)
    except OperationalError as error:
        log.warning("wake.not_sent kind=%s error=%s", kind, error)


def drain(kind: str) -> int:
    """Work off every due row of one kind in this thread, until this process is told to end; returns how many."""
    work, done = _kinds[kind], 0
    while not stopping.is_stopping() and work.step():
        done += 1
    return done


@shared_task(name="selfsmith.wake", ignore_result=True)
def wake_worker(kind: str) -> None:
    """The only Celery task."""
    if kind not in _kinds:
        log.error("wake.unknown_kind kind=%s", kind)
        return
    drain(kind)


def look_around() -> dict[str, int]:
    """One round of the scheduler: sweep every kind, then wake what is due. Returns the due rows per kind."""
    due: dict[str, int] = {}
    for work in registered_work():
        work.sweep()
        due[work.kind] = work.pending()
        for _ in range(min(due[work.kind], MESSAGES_PER_LOOK)):
            _send(work.kind)
    return due
