"""What tasks do when that for which they wait has come. Called inside the emitter's transaction."""

from typing import Any
from uuid import UUID

from apps.agents import transitions
from apps.agents.models import Step, StepState
from apps.agents.observations import grant_observation, package_observation, run_observation
from apps.functions.models import CapabilityRequest
from apps.packages.models import PackageSet
from apps.runs.models import Run


def tell_run(*, run_id: UUID, task_id: UUID | None, **_: Any) -> None:
    if task_id is None:
        return
    run = Run.objects.select_related("function").get(pk=run_id)
    for step in Step.objects.select_related("task").filter(run_id=run_id, state=StepState.WAITING):
        transitions.resume(step, run_observation(step.task, run))


def tell_packages(*, package_set_id: UUID, **_: Any) -> None:
    observation = package_observation(PackageSet.objects.get(pk=package_set_id))
    if observation is None:
        return
    for step in Step.objects.select_related("task").filter(package_set_id=package_set_id, state=StepState.WAITING):
        transitions.resume(step, observation)


def tell_capabilities(*, capabilities_id: UUID, **_: Any) -> None:
    capabilities = CapabilityRequest.objects.select_related("request").get(pk=capabilities_id)
    observation = grant_observation(capabilities)
    if observation is None:
        return
    for step in Step.objects.select_related("task").filter(capabilities=capabilities, state=StepState.WAITING):
        transitions.resume(step, observation)
