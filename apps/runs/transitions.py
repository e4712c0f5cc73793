"""The one way in which a run changes its state.

Whoever holds a lease leaves by core.leases; everything else is a conditional UPDATE here. Both end in announce().
"""

from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from apps.audit.services import Actor, record
from apps.core import leases
from apps.core.events import emit
from apps.core.notify import publish
from apps.runs.models import Run
from apps.runs.states import TERMINAL, RunState


def leave(run: Run, *, to_state: RunState, **fields: Any) -> None:
    """The holder of the lease gives the run up.

    Raises:
        leases.LeaseLost: somebody else holds it; nothing is written.
    """
    leases.leave(run, to_state=to_state, **_stamped(to_state, fields))
    announce(run, to_state)


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


def announce(run: Run, state: RunState, *, actor: Actor | None = None) -> None:
    """Tell the pages, the audit trail and, at the end of a run, the apps above."""
    publish(run.workspace_id, f"run.{run.pk.hex}")
    publish(run.workspace_id, f"log.{run.pk.hex}")
    publish(run.workspace_id, "runs")
    if state in TERMINAL:
        record(actor=actor, action=f"run.{state}", subject=run)
        emit("run.finished", run_id=run.pk, state=str(state), task_id=run.task_id)


def _stamped(state: RunState, fields: dict[str, Any]) -> dict[str, Any]:
    return {"finished_at": Now(), **fields} if state in TERMINAL else fields
