"""What happens when a model calls a tool: one function per tool, inside the transaction that stores the step.

Each returns the observation, or a Wait when it comes later. Arguments were checked against the tool's schema, and are
hostile all the same: every one goes through the same service, with the same permission checks, as a person's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from apps.agents import forge
from apps.agents.budget import NOBODY_BEHIND
from apps.agents.models import Step, Task, WaitsFor
from apps.agents.observations import grant_observation, package_observation, run_observation
from apps.agents.prompts import TOOLS
from apps.core import blobs
from apps.core.errors import DomainError, Forbidden, Invalid, LimitReached
from apps.core.tenancy import scope
from apps.functions.definition import Provenance
from apps.functions.models import Origin
from apps.runs.models import Artifact
from apps.runs.services import checked_file_name, media_type_of
from apps.workspaces.models import Membership

SAVED_TEXT_BYTES = 1 << 20


class NoSuchTool(Invalid):
    code = "no_such_tool"


class ArgumentsDoNotFit(Invalid):
    code = "tool_arguments"


class TooManyRuns(LimitReached):
    code = "too_many_runs"


class NobodyBehindTask(Forbidden):
    code = "nobody_behind_task"


@dataclass(frozen=True)
class Wait:
    """The observation comes when this has happened."""

    waits_for: WaitsFor


@dataclass(frozen=True)
class Completed:
    """The model says that the task has ended."""

    summary: str


type Answer = dict[str, Any] | Wait | Completed
type Handler = Callable[[Task, Step, Membership, dict[str, Any]], Answer]


def call_tool(task: Task, step: Step) -> Answer:
    """Carry out the step's call. A domain error becomes an observation, and what it had begun is rolled back."""
    try:
        with scope(task.workspace_id):
            check_call(step.tool, step.arguments)
            return HANDLERS[step.tool](task, step, _person_behind(task), step.arguments)
    except DomainError as error:
        return _refusal(step, error)


def _refusal(step: Step, error: DomainError) -> dict[str, Any]:
    """A refused call, told to the model in the shape that it expects of the tool."""
    if step.tool == "create_or_update_tool":
        problems = [f"line {each['line']}: {each['message']}" for each in error.details.get("problems", [])]
        return {"tool": str(step.arguments.get("name", "")), "version": None, "problems": problems or [error.message]}
    if step.tool == "request_package":
        return {"requirements": step.arguments.get("requirements", []), "state": "failed", "reason": error.message}
    if step.tool in ("request_host", "request_secret"):
        asked = {name: step.arguments.get(name, []) for name in ("hosts", "secrets")}
        return {"tool": str(step.arguments.get("tool", "")), **asked, "state": "failed", "reason": error.message}
    return {"problem": error.message, "code": error.code}


def check_call(tool: str, arguments: dict[str, Any]) -> None:
    """Whether there is such a tool and the arguments have the shape that it takes.

    Raises:
        NoSuchTool, ArgumentsDoNotFit
    """
    spec = next((spec for spec in TOOLS if spec.name == tool), None)
    if spec is None:
        raise NoSuchTool(f"There is no tool {tool[:60]!r}. There are: {', '.join(spec.name for spec in TOOLS)}.")
    problems = [
        f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(spec.parameters).iter_errors(arguments)
    ]
    if problems:
        raise ArgumentsDoNotFit(f"The arguments of {tool} do not fit: {'; '.join(problems[:5])}.")


def _person_behind(task: Task) -> Membership:
    """An agent acts with the rights of the person who started its task, as they are now."""
    members = Membership.objects.select_related("user")
    person = members.filter(pk=task.started_by_id).first() if task.started_by_id else None
    if person is None:
        raise NobodyBehindTask(NOBODY_BEHIND)
    return person


def _bench(task: Task, actor: Membership) -> forge.Bench:
    return forge.Bench(actor, Provenance(Origin.AGENT, task.pk, task.prompt, str(task.model)))


def _find_function(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    found = forge.find_functions(_bench(task, actor), arguments["query"])
    return {"functions": [{"name": function.name, "description": function.description} for function in found]}


def _create_or_update_tool(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    version = forge.write_tool(_bench(task, actor), **arguments)
    Step.objects.filter(pk=step.pk).update(version=version)
    return {"tool": version.function.name, "version": version.number, "problems": []}


def _request_package(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    package_set = forge.ask_for_packages(_bench(task, actor), **arguments)
    Step.objects.filter(pk=step.pk).update(package_set=package_set)
    return package_observation(package_set) or Wait(WaitsFor.PACKAGES)


def _request_grant(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    version, capabilities = forge.ask_for_grant(_bench(task, actor), **arguments)
    Step.objects.filter(pk=step.pk).update(capabilities=capabilities, version=version)
    return grant_observation(capabilities) or Wait(WaitsFor.GRANT)


def _run_tool(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    if task.steps.filter(run__isnull=False).count() >= task.max_runs:
        raise TooManyRuns(f"This task has run tools {task.max_runs} times, as often as it may. End it with task_completed.")
    run = forge.run_tool(
        _bench(task, actor),
        name=arguments["name"],
        arguments=arguments["arguments"],
        files=[link.artifact for link in task.files.select_related("artifact").order_by("id")],
        idempotency_key=f"step-{step.pk}",
    )
    Step.objects.filter(pk=step.pk).update(run=run, version=run.version)
    return Wait(WaitsFor.RUN) if run.is_open else run_observation(task, run)


def _ask_person(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    return Wait(WaitsFor.ANSWER)


def _save_artifact(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    name = checked_file_name(arguments["name"])
    blob = blobs.put(task.workspace_id, [arguments["text"].encode()], max_bytes=SAVED_TEXT_BYTES)
    Artifact.objects.create(task_id=task.pk, name=name, sha256=blob.sha256, size=blob.size, media_type=media_type_of(name))
    return {"artifact": name}


def _task_completed(task: Task, step: Step, actor: Membership, arguments: dict[str, Any]) -> Answer:
    return Completed(arguments["summary"])


HANDLERS: dict[str, Handler] = {
    "find_function": _find_function,
    "create_or_update_tool": _create_or_update_tool,
    "request_package": _request_package,
    "request_host": _request_grant,
    "request_secret": _request_grant,
    "run_tool": _run_tool,
    "ask_person": _ask_person,
    "save_artifact": _save_artifact,
    "task_completed": _task_completed,
}
