"""One mechanism for work that must be done once though anything may die: a row, claimed for a while.

The row is the truth. A worker claims it by a conditional UPDATE with SKIP LOCKED, which raises its fencing token; it
renews the lease while it works; whoever holds an older token writes nothing. All times are the database's.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.errors import DomainError
from apps.core.fields import StateField
from apps.core.nudges import waiting_for
from apps.core.tenancy import TenantModel, every_workspace, scope

log = logging.getLogger(__name__)
SINCE_NOW = {"not_before": Now()}  # in every change of state: what waits from now on is due, and its age is counted, from now on
LONGEST_REST_SECONDS = 1.0  # between two renewals: without nudges a cancellation waits so long


class LeaseLost(DomainError):
    """Somebody else holds the row now, or it has ended: stop, and write nothing."""

    code = "lease_lost"
    status = 409


class LeasedRow(models.Model):
    """What a row needs so that workers can claim it. `losses` counts attempts that ended because a worker vanished."""

    state = StateField(max_length=24)
    attempt = models.PositiveIntegerField(default=0)
    token = models.PositiveIntegerField(default=0)
    leased_by = models.CharField(max_length=200, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    losses = models.PositiveSmallIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Leased(TenantModel, LeasedRow):
    """Work of a workspace: nearly all of it. A plain LeasedRow is the operator's own."""

    class Meta:
        abstract = True


@dataclass(frozen=True)
class Renewal:
    cancel_requested: bool


def worker_name() -> str:
    """Host, process and thread: enough to find who held a lease."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


def lease_length() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)


def due(rows: models.QuerySet[Any], state: str) -> models.QuerySet[Any]:
    """Rows that wait in `state` and whose time has come."""
    return rows.filter(state=state).filter(Q(not_before=None) | Q(not_before__lte=Now()))


def claim[Row: LeasedRow](
    rows: Callable[[], models.QuerySet[Row]], *, from_state: str, to_state: str, count_attempt: bool = True
) -> Row | None:
    """Take the first due row of `rows()` (in their order) and raise its token; None when there is none.

    `rows` is called inside the claim's own scope. `count_attempt` is False for work that is taken up again many times
    by design, such as a task between its steps.
    """
    with every_workspace(reason="a worker takes the next row of any workspace"):
        _be_silent_no_longer_than_a_lease()
        row: Row | None = due(rows(), from_state).select_for_update(skip_locked=True, of=("self",), no_key=True).first()
        if row is None:
            return None
        row.state, row.leased_by, row.not_before = to_state, worker_name(), None
        # Counted by the database, so that two holders would have two tokens even if a lock failed. The save brings the values.
        row.attempt, row.token = F("attempt") + (1 if count_attempt else 0), F("token") + 1
        row.lease_until = Now() + lease_length()
        row.save(update_fields=["state", "attempt", "token", "leased_by", "lease_until", "not_before"])
        return row


def held(row: LeasedRow) -> models.QuerySet[Any]:
    """The row itself as long as this holder's token is the current one and the lease is open."""
    return type(row)._default_manager.filter(pk=row.pk, token=row.token, lease_until__isnull=False)


def scope_of(row: LeasedRow) -> AbstractContextManager[None]:
    """The scope that a claimed row is written in."""
    if isinstance(row, TenantModel):
        return scope(row.workspace_id)
    return every_workspace(reason="the operator's own work belongs to no workspace")


def renew(row: LeasedRow) -> Renewal:
    """Extend the lease and learn whether somebody asked to cancel.

    Raises:
        LeaseLost: the token is stale or the row has ended.
    """
    with scope_of(row):
        _be_silent_no_longer_than_a_lease()
        if held(row).update(lease_until=Now() + lease_length()) == 0:
            raise LeaseLost("This work was taken over by another worker or has ended.", row=str(row.pk))
        return Renewal(held(row).values_list("cancel_requested_at", flat=True).first() is not None)


def write(row: LeasedRow, **fields: Any) -> None:
    """Change fields of the row itself, which is locked for the rest of the transaction as by `assert_held`.

    Raises:
        LeaseLost
    """
    _be_silent_no_longer_than_a_lease()
    if held(row).update(**fields) == 0:
        raise LeaseLost("This work was taken over by another worker or has ended.", row=str(row.pk))


def leave(row: LeasedRow, *, to_state: str, **fields: Any) -> None:
    """Give the row up in a new state: ended, waiting or queued again. Inside the scope that writes its outcome.

    Raises:
        LeaseLost: the token is stale; the caller's transaction must write nothing.
    """
    write(row, state=to_state, **{"leased_by": "", "lease_until": None, **SINCE_NOW, **fields})
    row.state = to_state


def assert_held(row: LeasedRow) -> None:
    """Lock the row for the rest of the transaction, so that what is written beside it is written by its holder.

    Raises:
        LeaseLost
    """
    _be_silent_no_longer_than_a_lease()
    if not held(row).select_for_update(no_key=True).exists():
        raise LeaseLost("This work was taken over by another worker or has ended.", row=str(row.pk))


def _be_silent_no_longer_than_a_lease() -> None:
    """The transaction ends by itself when nothing comes in it for so long.

    A process that is stopped in the middle keeps its locks, and whoever would take its work over waits for them.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{int(settings.LEASE_SECONDS)}s'")  # takes no parameter


def expired(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Rows whose holder has vanished, locked for the sweeper that asks; several sweepers get different rows."""
    return rows.filter(lease_until__lt=Now()).select_for_update(skip_locked=True, no_key=True, of=("self",))


def sweep[Row: Leased](rows: Callable[[], models.QuerySet[Row]], recover: Callable[[Row], None], *, at_once: int = 100) -> int:
    """Call `recover` for each of `rows()` whose holder has vanished, locked and in its workspace's scope; gives how many.

    `rows` is called inside the scopes, and must not look outside of them.
    """
    with every_workspace(reason="finding work whose worker has vanished"):
        lost = [(row.workspace_id, row.pk) for row in expired(rows()).only("workspace_id")[:at_once]]
    return sum(_recover(workspace_id, pk, rows, recover) for workspace_id, pk in lost)


def _recover[Row: Leased](
    workspace_id: UUID, pk: UUID, rows: Callable[[], models.QuerySet[Row]], recover: Callable[[Row], None]
) -> int:
    with scope(workspace_id):
        row: Row | None = expired(rows().filter(pk=pk)).first()
        if row is None:
            return 0  # it was renewed, or another sweeper has it
        recover(row)
        return 1


def count_due(rows: Callable[[], models.QuerySet[Any]], state: str, *, most: int) -> int:
    """How many rows of any workspace are due, counted up to `most`: with a long queue nobody needs to know exactly."""
    with every_workspace(reason="the scheduler counts what is due"):
        return due(rows(), state)[:most].count()


class Heartbeat:
    """Renews a lease in the background. Ask `stop_requested()` between steps of long work.

    A nudge for the row makes it ask at once: that is how a cancellation arrives. What it hears is the database's word.
    """

    def __init__(self, row: LeasedRow, hint: threading.Event | None = None) -> None:
        self._row, self._hint = row, hint or threading.Event()
        self._ended = threading.Event()
        self.cancelled = threading.Event()
        self.lost = threading.Event()

    def stop_requested(self) -> bool:
        return self.cancelled.is_set() or self.lost.is_set()

    def beat(self) -> None:
        """Ends when the lease is lost. A database that is away is asked again until the lease must have run out."""
        renewed_at = time.monotonic()
        while not self._rest():
            asked_at = time.monotonic()
            try:
                if renew(self._row).cancel_requested:
                    self.cancelled.set()
                renewed_at = asked_at
            except LeaseLost:
                self.lost.set()
                return
            except DatabaseError as error:
                log.warning("lease.not_renewed row=%s error=%s", self._row.pk, error)
                if time.monotonic() - renewed_at > settings.LEASE_SECONDS:
                    self.lost.set()  # somebody else may be at the work by now
                    return

    def _rest(self) -> bool:
        """Wait for the next renewal, a nudge or the end; True at the end."""
        self._hint.wait(min(LONGEST_REST_SECONDS, settings.LEASE_SECONDS / 3))
        self._hint.clear()
        return self._ended.is_set()

    def end(self) -> None:
        self._ended.set()
        self._hint.set()


@contextmanager
def heartbeat(row: LeasedRow) -> Iterator[Heartbeat]:
    """Keep the lease of `row` alive while the block runs."""
    with waiting_for(row.pk) as hint:
        pulse = Heartbeat(row, hint)
        thread = threading.Thread(target=pulse.beat, name=f"heartbeat-{row.pk}", daemon=True)
        thread.start()
        try:
            yield pulse
        finally:
            pulse.end()
            thread.join()
