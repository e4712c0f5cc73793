"""What runs do when the packages that they wait for are decided. Called inside the emitter's transaction."""

from typing import Any
from uuid import UUID

from apps.core.dispatch import wake
from apps.packages.models import PackageSet
from apps.runs import transitions
from apps.runs.services import waiting_runs
from apps.runs.states import RunState

WAITING = (RunState.AWAITING_APPROVAL,)


def queue_waiting_runs(*, package_set_id: UUID, **_: Any) -> None:
    """The environment stands: let the runs go on."""
    digest = PackageSet.objects.values_list("environment_digest", flat=True).get(pk=package_set_id)
    for run in waiting_runs(package_set_id):
        transitions.move(run, from_states=WAITING, to_state=RunState.QUEUED, environment_digest=digest)
        wake("runs")


def refuse_waiting_runs(*, package_set_id: UUID, reason: str = "", **_: Any) -> None:
    """A person said no."""
    message = f"The packages were refused: {reason}" if reason else "The packages were refused."
    for run in waiting_runs(package_set_id):
        transitions.move(run, from_states=WAITING, to_state=RunState.REFUSED, message=message)


def fail_waiting_runs(*, package_set_id: UUID, reason: str = "", **_: Any) -> None:
    """They could not be resolved or built."""
    for run in waiting_runs(package_set_id):
        transitions.move(run, from_states=WAITING, to_state=RunState.FAILED, outcome="packages", message=reason)
