"""What runs do when what they wait for is decided: packages, or hosts and secrets. Called inside the emitter's transaction."""

from typing import Any
from uuid import UUID

from apps.core.dispatch import wake
from apps.runs import transitions
from apps.runs.models import Run
from apps.runs.services import is_ready, waiting_runs
from apps.runs.states import RunState

WAITING = (RunState.AWAITING_APPROVAL,)


def queue_waiting_runs(*, package_set_id: UUID, **_: Any) -> None:
    """The environment stands: let the runs go on that wait for nothing else."""
    for run in waiting_runs(package_set_id=package_set_id):
        _go_on(run)


def queue_granted_runs(*, capabilities_id: UUID, **_: Any) -> None:
    """People agreed to hosts and secrets: let the runs go on that wait for nothing else."""
    for run in waiting_runs(capabilities_id=capabilities_id):
        _go_on(run)


def _go_on(run: Run) -> None:
    if is_ready(run):
        digest = run.package_set.environment_digest if run.package_set else ""
        transitions.move(run, from_states=WAITING, to_state=RunState.QUEUED, environment_digest=digest)
        wake("runs")


def refuse_waiting_runs(*, package_set_id: UUID, reason: str = "", **_: Any) -> None:
    """A person said no."""
    message = f"The packages were refused: {reason}" if reason else "The packages were refused."
    for run in waiting_runs(package_set_id=package_set_id):
        transitions.move(run, from_states=WAITING, to_state=RunState.REFUSED, message=message)


def refuse_ungranted_runs(*, capabilities_id: UUID, reason: str = "", **_: Any) -> None:
    """A person said no, or nobody said anything in time."""
    for run in waiting_runs(capabilities_id=capabilities_id):
        message = f"The hosts, secrets and models were refused: {reason}"
        transitions.move(run, from_states=WAITING, to_state=RunState.REFUSED, message=message)


def fail_waiting_runs(*, package_set_id: UUID, reason: str = "", **_: Any) -> None:
    """They could not be resolved or built."""
    for run in waiting_runs(package_set_id=package_set_id):
        transitions.move(run, from_states=WAITING, to_state=RunState.FAILED, outcome="packages", message=reason)
