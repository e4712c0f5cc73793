"""The one way in which a run changes its state.

Whoever holds a lease leaves by core.leases; everything else is a conditional UPDATE here. Both end in announce().
"""

from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from apps.audit.services import Actor, record
from apps.core import leases
from apps.core.dispatch import wake
from apps.core.errors import Conflict
from apps.core.events import emit
from apps.core.notify import publish
from apps.core.nudges import nudge
from apps.runs.models import Run
from apps.runs.states import TERMINAL, RunState


class CannotSucceed(Conflict):
    """Raised by whoever hears of a success with which something must come about that cannot.

    The transaction is undone, so nothing has succeeded, and the worker ends the run as failed with this as its error.
    """

    code = "cannot_succeed"


def leave(run: Run, *, to_state: RunState, **fields: Any) -> None:
    """The holder of the lease gives the run up.

    Raises:
        leases.LeaseLost: somebody else holds it; nothing is written.
    """
    if run.undone_by and run.root_id and to_state == RunState.SUCCEEDED:
        hold_root(run.root_id)
    leases.leave(run, to_state=to_state, **_stamped(to_state, fields))
    announce(run, to_state)


def hold_root(root_id: UUID) -> None:
    """Before the end of a run that would have to be undone if its root did not succeed: either hears of the other's end.

    From the top down, as whoever stops a family locks its rows.
    """
    Run.objects.select_for_update(no_key=True, of=("self",)).only("pk").get(pk=root_id)


def move(run: Run, *, from_states: tuple[RunState, ...], to_state: RunState, **fields: Any) -> bool:
    """Change a run that nobody needs to hold; False when it is in none of `from_states` any more.

    The token rises, so that a worker that held it until now writes nothing.
    """
    rows = Run.objects.filter(pk=run.pk, state__in=from_states)
    changes = {"lease_until": None, "leased_by": "", **leases.SINCE_NOW, **_stamped(to_state, fields)}
    if rows.update(state=to_state, token=F("token") + 1, **changes) == 0:
        return False
    run.state = to_state
    announce(run, to_state)
    return True


def ask_to_stop(run: Run) -> bool:
    """Ask the worker that has the run to end its box, and with it all that its code has started; False when none has it."""
    asked = Run.objects.filter(pk=run.pk, state=RunState.RUNNING)
    if asked.update(cancel_requested_at=Coalesce("cancel_requested_at", Now())) == 0:
        return False
    nudge(run.pk)
    stop_children(run)
    return True


def stop_children(run: Run) -> None:
    """End what the run's code has started and nobody waits for any more, all the way down."""
    for child in Run.objects.open().filter(parent=run).select_for_update(no_key=True, of=("self",)).order_by("id"):
        message = "The run that had started it was over."
        if not move(child, from_states=(RunState.QUEUED,), to_state=RunState.CANCELLED, message=message):
            ask_to_stop(child)


def announce(run: Run, state: RunState, *, actor: Actor | None = None) -> None:
    """Tell the pages, the audit trail and, at the end of a run, the apps above."""
    publish(run.workspace_id, f"run.{run.pk.hex}")
    publish(run.workspace_id, f"log.{run.pk.hex}")
    publish(run.workspace_id, "runs")
    if state != RunState.RUNNING:
        stop_children(run)  # this attempt is over; a further one starts its own
        if run.slot:
            wake("runs")  # for whoever waits for it
    if state in TERMINAL:
        nudge(run.pk)  # whoever waits for its end
        record(actor=actor, action=f"run.{state}", subject=run)
        family = {"root_id": run.root_id, "undone_by": run.undone_by, "undoes": run.undoes}
        emit("run.finished", run_id=run.pk, state=str(state), task_id=run.task_id, **family)


def _stamped(state: RunState, fields: dict[str, Any]) -> dict[str, Any]:
    """At the end the time; in the queue the deadlines: a new one for this wait, and one for all that starts with the first."""
    if state in TERMINAL:
        return {"finished_at": Now(), **fields}
    if state == RunState.QUEUED:
        total = Coalesce(F("total_deadline_at"), Now() + F("total_time"))
        return {"queue_deadline_at": Now() + F("queue_time"), "total_deadline_at": total, **fields}
    return fields
