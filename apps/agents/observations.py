"""How the end of a run and people's decisions are told to the model (the shapes of apps.llm.observations)."""

from typing import Any

from django.conf import settings

from apps.agents.models import Task
from apps.approvals.states import RequestState
from apps.functions.models import CapabilityRequest
from apps.packages.models import PackageSet
from apps.packages.states import REFUSED
from apps.runs.models import LogChunk, Run

OUTPUT_TAIL = 4000  # characters
RESULT_CHARACTERS = 20_000


def run_observation(task: Task, run: Run) -> dict[str, Any]:
    """What the model learns of a run that has ended."""
    return {
        "tool": run.function.name,
        "attempt": task.steps.filter(run__isnull=False).count(),
        "state": run.state,
        "result": run.result if len(str(run.result)) <= RESULT_CHARACTERS else f"{str(run.result)[:RESULT_CHARACTERS]}… (cut)",
        "error": _error(run),
        "artifacts": list(run.artifacts.order_by("id").values_list("name", flat=True)),
        "output": output_tail(run),
    }


def _error(run: Run) -> dict[str, Any] | None:
    if run.error is None:
        return None if run.state == "succeeded" else {"type": run.state, "message": run.message, "traceback": ""}
    withheld = settings.SCRIPTED_TRACEBACK_WITHHELD
    return {
        "type": run.error["type"],
        "message": run.message if run.limit_reached else run.error["message"],
        "traceback": "" if withheld else run.error["traceback"],
    }


def output_tail(run: Run) -> str:
    """The last of what the run printed."""
    newest_first = LogChunk.objects.filter(run=run).order_by("-seq").values_list("text", flat=True)[:20]
    return "".join(reversed(newest_first))[-OUTPUT_TAIL:]


def grant_observation(capabilities: CapabilityRequest) -> dict[str, Any] | None:
    """None as long as people have not decided."""
    request = capabilities.request
    if request.state == RequestState.OPEN:
        return None
    subject = request.subject
    return {
        "tool": subject["function"],
        "hosts": subject["hosts"],
        "secrets": [secret["name"] for secret in subject["secrets"]],
        "state": "granted" if capabilities.is_granted else "rejected",
        "reason": request.closing_reason,
    }


def package_observation(package_set: PackageSet) -> dict[str, Any] | None:
    """None as long as people, the resolver or the build have not decided."""
    if package_set.is_ready:
        state = "ready"
    elif package_set.is_current:
        return None
    else:
        state = "rejected" if package_set.state in REFUSED else "failed"
    return {"requirements": package_set.requirements, "state": state, "reason": package_set.failure}
