"""What succeeded below a run that did not is undone: by the functions that its versions name, the last first, each once.

Rows and runs are written in the transactions that end runs, so a worker's death between two changes nothing. One
compensating run follows another when that has ended, in whatever way: what can be undone is, and what cannot is told.
"""

from typing import Any
from uuid import UUID

from django.db.models import Max

from apps.audit.services import record
from apps.core.errors import DomainError
from apps.core.notify import publish
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.models import FunctionVersion
from apps.functions.services import NoSuchFunction
from apps.runs.children import person_behind
from apps.runs.models import Compensation, Run
from apps.runs.services import start_run
from apps.runs.states import OPEN, RunState
from apps.runs.transitions import hold_root

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


def follow_end(*, run_id: UUID, state: str, root_id: UUID | None, undone_by: str, undoes: UUID | None, **_: Any) -> None:
    """Hears that a run has ended. Asks the database nothing about one that succeeded and has to do with none of this."""
    if undoes is not None:
        _note(undoes, run_id, state)
    elif root_id is None and state != RunState.SUCCEEDED:
        _undo_below(run_id)
    elif root_id is not None and undone_by and state == RunState.SUCCEEDED:
        _undo_if_too_late(root_id)


def _undo_if_too_late(root_id: UUID) -> None:
    """A run that went on for a moment after its root had ended. `transitions.leave` has locked the root's row."""
    state = Run.objects.values_list("state", flat=True).get(pk=root_id)
    if state not in (RunState.SUCCEEDED, *OPEN):
        _undo_below(root_id)


def _undo_below(root_id: UUID) -> None:
    """Of every attempt: what an attempt that was given up had called has happened too."""
    succeeded = Run.objects.filter(root=root_id, state=RunState.SUCCEEDED, answered_from=None, compensation=None)
    found = list(succeeded.exclude(undone_by="").order_by("-finished_at", "-id"))
    if not found:
        return
    before = Compensation.objects.filter(root=root_id).aggregate(last=Max("number"))["last"] or 0
    Compensation.objects.bulk_create(
        [Compensation(root_id=root_id, of=run, number=number) for number, run in enumerate(found, before + 1)]
    )
    if not Compensation.objects.filter(root=root_id, state=RUNNING).exists():
        _go_on(root_id)


def _go_on(root_id: UUID) -> None:
    """Start the next that can be started. In the transaction of whoever ended the one before."""
    waiting = Compensation.objects.filter(root=root_id, state=WAITING).select_related("of", "root").order_by("number")
    for compensation in waiting:
        try:
            with scope(current_workspace_id()):  # a savepoint: of a refusal nothing stays but its reason
                run = _start(compensation)
        except DomainError as refusal:
            _tell_failure(compensation, refusal.message)
        else:
            Compensation.objects.filter(pk=compensation.pk).update(state=RUNNING, run=run)
            break
    publish(current_workspace_id(), f"run.{root_id.hex}")


def _start(compensation: Compensation) -> Run:
    done, name = compensation.of, compensation.of.undone_by
    version = FunctionVersion.objects.active_by_name([name], task_id=compensation.root.task_id).get(name)
    if version is None:
        raise NoSuchFunction(f"There is no function “{name}” any more that would undo it.")
    return start_run(
        actor=person_behind(done),
        version=version,
        arguments={"arguments": done.arguments, "result": done.result},
        task_id=done.task_id,
        undoes=compensation.pk,
        fresh=True,
    )


def _note(compensation_id: UUID, run_id: UUID, state: str) -> None:
    compensation = Compensation.objects.select_related("root").get(pk=compensation_id)
    hold_root(compensation.root_id)  # a run below it may be ending too late at this moment
    if state == RunState.SUCCEEDED:
        Compensation.objects.filter(pk=compensation.pk).update(state=DONE)
    else:
        message = Run.objects.values_list("message", flat=True).get(pk=run_id)
        _tell_failure(compensation, f"The run that should undo it ended as {state}: {message}")
    _go_on(compensation.root_id)


def _tell_failure(compensation: Compensation, reason: str) -> None:
    Compensation.objects.filter(pk=compensation.pk).update(state=FAILED, reason=reason)
    record(actor=None, action="run.not_undone", subject=compensation.root, run=str(compensation.of_id), reason=reason[:500])
