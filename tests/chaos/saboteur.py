"""Takes one guard of the product away, in the processes of an installation that is set up to be wrong.

It shows that the checker can fail: with any of these guards gone it has to find something.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig


def fencing() -> None:
    """A holder's token is compared with nothing: whoever thinks that they hold a row may write."""
    from apps.core import leases

    leases.held = lambda row: type(row)._default_manager.filter(pk=row.pk)
    leases.assert_held = lambda row: None


def sweep() -> None:
    """Nobody looks for leases that ran out."""
    _replace_work("runs", sweep=lambda: 0)


def retry_class() -> None:
    """What must never be tried twice is tried again."""
    from apps.functions.models import RetryClass
    from apps.runs import retry

    class Forgetful:
        NEVER = "no such class"

        def __getattr__(self, name: str) -> Any:
            return getattr(RetryClass, name)

    retry.RetryClass = Forgetful()  # type: ignore[attr-defined,assignment]


def heartbeat() -> None:
    """Leases are never renewed, so that a run longer than one is taken for lost."""
    from apps.core import leases

    leases.Heartbeat.beat = lambda self: None  # type: ignore[method-assign]


def repeated_wake_ups() -> None:
    """The scheduler does not look for rows that wait: a lost message is lost work."""
    _replace_work("runs", pending=lambda: 0)


def claim_lock() -> None:
    """Two workers may read the same row as free, and both take it."""
    from django.db.models import QuerySet

    from apps.core import leases
    from apps.runs import lanes

    assert lanes.hold_lane is not None  # a name that is gone would sabotage nothing
    lanes.hold_lane = lambda workspace_id: None
    original = leases.due

    class Unlocked(QuerySet[Any]):
        def select_for_update(self, *args: Any, **options: Any) -> Any:
            return self

    def due(rows: Any, state: str) -> Any:
        found = original(rows, state)
        if isinstance(found, Unlocked):  # it was due already
            return found
        found.__class__ = type("Unlocked", (Unlocked, type(found)), {"select_for_update": Unlocked.select_for_update})
        return found

    leases.due = due


def ended_stays_ended() -> None:
    """A change of state does not ask which state the run is in. The database refuses it as well, so that must go too."""
    from apps.runs import transitions
    from apps.runs.states import RunState

    original = transitions.move

    def move(run: Any, *, from_states: Any, **change: Any) -> bool:
        return original(run, from_states=tuple(RunState), **change)

    transitions.move = move


def idempotency() -> None:
    """A request that comes again with its key starts another run."""
    from apps.runs import services
    from apps.runs.models import Run

    services._find_earlier = lambda actor, key, asked: None
    original = Run.objects.create
    Run.objects.create = lambda **fields: original(**{**fields, "idempotency_key": None})  # type: ignore[method-assign]


def loss_is_noted() -> None:
    """A run whose worker vanished is simply queued again as if nothing had happened: its class is not asked."""
    from apps.runs import transitions, work
    from apps.runs.states import RunState

    def queue_again(run: Any, reason: str) -> None:
        transitions.move(run, from_states=(RunState.RUNNING,), to_state=RunState.QUEUED, message=reason)

    work._retry_or_lose = queue_again


@dataclass(frozen=True)
class Sabotage:
    """`mode` is the fault that brings it to light, in at most so many strikes; `statement` takes the database's part away."""

    take_away: Callable[[], None]
    mode: str
    strikes: int = 8
    statement: str = ""


SABOTAGES = {
    "fencing": Sabotage(fencing, "worker-stop"),
    "sweep": Sabotage(sweep, "worker-kill"),
    "retry_class": Sabotage(retry_class, "worker-kill"),
    "heartbeat": Sabotage(heartbeat, "redis-flush"),
    "repeated_wake_ups": Sabotage(repeated_wake_ups, "messages", strikes=1),  # the silence at the end does it
    "claim_lock": Sabotage(claim_lock, "redis-flush"),
    "ended_stays_ended": Sabotage(ended_stays_ended, "redis-flush", statement="ALTER TABLE runs_run DISABLE TRIGGER USER"),
    "idempotency": Sabotage(idempotency, "redis-flush"),
    "loss_is_noted": Sabotage(loss_is_noted, "worker-kill"),
}


def _replace_work(kind: str, **parts: Any) -> None:
    from dataclasses import replace

    from apps.core import dispatch

    dispatch._kinds[kind] = replace(dispatch._kinds[kind], **parts)


class Saboteur(AppConfig):
    """Listed last by `sabotaged_settings`, so that every other app is ready."""

    name = "tests.chaos.saboteur"

    def ready(self) -> None:
        SABOTAGES[os.environ["CHAOS_SABOTAGE"]].take_away()
