"""A task's steps as its page tells them: one sentence, one tone and what belongs to each, in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from apps.agents.models import Step, StepState, Task
from apps.approvals.models import ApprovalRequest
from apps.dashboard.log_lines import LogLine, lines_of
from apps.dashboard.wording import as_json
from apps.functions.models import FunctionVersion
from apps.packages.models import PackageSet
from apps.packages.states import REFUSED, PackageState
from apps.runs.models import Artifact, LogChunk, Run
from apps.runs.states import RunState

CHUNKS_PER_RUN = 40  # of the end of each log; the run's own page shows more

ICONS = {
    "find_function": "magnifying-glass",
    "create_or_update_tool": "code-bracket",
    "request_package": "cube",
    "request_host": "globe-alt",
    "request_secret": "key",
    "run_tool": "play",
    "ask_person": "question-mark-circle",
    "save_artifact": "document-text",
    "task_completed": "flag",
}


@dataclass(frozen=True)
class Moment:
    """What `tasks/_step.html` needs of one step."""

    number: int
    tone: str
    icon_name: str
    title: str
    at: datetime
    seconds: float | None
    text: str
    note: str
    arguments: dict[str, Any] | None
    observation: str
    source: str
    source_title: str
    marked_line: int | None
    version: FunctionVersion | None
    run: Run | None
    lines: Sequence[LogLine]
    package_set: PackageSet | None
    request: ApprovalRequest | None
    error: dict[str, Any] | None
    artifacts: Sequence[Artifact]
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None


def steps_of(task: Task) -> list[Step]:
    """All steps, oldest first, with what the timeline shows of their runs, versions and packages."""
    related = (
        "run__function",
        "run__capabilities__request",
        "version__function",
        "package_set__request",
        "capabilities__request",
    )
    rows = task.steps.select_related(*related).defer("package_set__evidence", "package_set__lock", "package_set__lock_text")
    return list(rows.order_by("number"))


def timeline(steps: Sequence[Step]) -> list[Moment]:
    """The steps as moments."""
    runs = [step.run_id for step in steps if step.run_id]
    chunks, artifacts = _last_chunks(runs), _artifacts(runs)
    return [_moment(step, chunks.get(step.run_id, ()), artifacts.get(step.run_id, ())) for step in steps]


def _last_chunks(runs: Iterable[Any]) -> dict[Any, list[LogChunk]]:
    rank = Window(RowNumber(), partition_by=F("run_id"), order_by=F("seq").desc())
    rows = LogChunk.objects.filter(run_id__in=runs).annotate(from_end=rank).filter(from_end__lte=CHUNKS_PER_RUN)
    found: dict[Any, list[LogChunk]] = defaultdict(list)
    for chunk in sorted(rows, key=lambda chunk: chunk.seq):
        found[chunk.run_id].append(chunk)
    return found


def _artifacts(runs: Iterable[Any]) -> dict[Any, list[Artifact]]:
    found: dict[Any, list[Artifact]] = defaultdict(list)
    for artifact in Artifact.objects.filter(run_id__in=runs).order_by("id"):
        found[artifact.run_id].append(artifact)
    return found


def _moment(step: Step, chunks: Sequence[LogChunk], artifacts: Sequence[Artifact]) -> Moment:
    run, was_called = step.run, bool(step.input_tokens or step.output_tokens)
    writes_source = step.tool == "create_or_update_tool"
    error = run.error if run else None
    return Moment(
        number=step.number,
        tone=_tone(step),
        icon_name=ICONS.get(step.tool, "sparkles"),
        title=_title(step),
        at=step.started_at,
        seconds=(step.ended_at - step.started_at).total_seconds() if step.ended_at else None,
        text=_text(step),
        note=_note(step),
        arguments=_shown_arguments(step),
        observation=as_json(step.observation) if step.observation else "",
        source=_source(step, has_error=bool(error)),
        source_title=f"{step.version.function.name}, version {step.version.number}" if step.version else "The code as sent",
        marked_line=error["line"] if error and step.version else None,
        version=step.version if writes_source else None,
        run=run,
        lines=lines_of(chunks),
        package_set=step.package_set,
        request=request_of(step),
        error=error,
        artifacts=artifacts,
        input_tokens=step.input_tokens if was_called else None,
        output_tokens=step.output_tokens if was_called else None,
        cost_usd=step.cost_usd,
    )


def request_of(step: Step) -> ApprovalRequest | None:
    """What people decide or have decided for this step: what it asked for, or what its run waits or has waited for in vain."""
    if step.package_set or step.capabilities:
        return step.package_set.request if step.package_set else step.capabilities.request  # type: ignore[union-attr]  # one of them is there
    waits = step.run is not None and step.run.state in (RunState.AWAITING_APPROVAL, RunState.REFUSED)
    return step.run.capabilities.request if waits and step.run and step.run.capabilities else None


def _tone(step: Step) -> str:
    if step.problem and not step.tool:
        return "bad" if step.state == StepState.DONE else "waiting"
    if step.state in (StepState.THINKING, StepState.DECIDED):
        return "active"
    if step.state == StepState.WAITING:
        return "active" if step.run and step.run.state in (RunState.QUEUED, RunState.RUNNING) else "waiting"
    return "bad" if _went_wrong(step) else "good"


def _went_wrong(step: Step) -> bool:
    told = step.observation or {}
    if step.run:
        return step.run.state != RunState.SUCCEEDED
    if step.package_set:
        return step.package_set.state != PackageState.READY
    if step.tool in ("request_host", "request_secret"):
        return told.get("state") != "granted"
    return bool(told.get("problems") or told.get("problem"))


def _title(step: Step) -> str:
    name = str(step.arguments.get("name", ""))[:100]
    match step.tool:
        case "":
            return _title_without_call(step)
        case "find_function":
            return f"Looked for functions: {str(step.arguments.get('query', ''))[:100]}"
        case "create_or_update_tool":
            return f"Wrote {name} again" if step.version and step.version.number > 1 else f"Wrote {name}"
        case "request_package":
            return _title_of_request(step)
        case "request_host" | "request_secret":
            return _title_of_grant(step)
        case "run_tool":
            return _title_of_run(step, name)
        case "ask_person":
            return "Asked a person" if step.state == StepState.DONE else "Asks you"
        case "save_artifact":
            return f"Saved {name}"
        case "task_completed":
            return "Ended the task"
    return f"Called {step.tool}, which is no tool here"


def _title_without_call(step: Step) -> str:
    if step.state == StepState.THINKING:
        return "The model did not answer" if step.problem else "Thinks"
    return "The reply could not be used" if step.problem else "Said something and called no tool"


def _title_of_request(step: Step) -> str:
    wanted = ", ".join(str(each) for each in step.arguments.get("requirements", []))[:150]
    if step.package_set is None:
        return f"Asked for {wanted}"
    if step.package_set.state in REFUSED:
        return f"{wanted} was refused"
    if step.package_set.state == PackageState.READY:
        return f"Got {wanted}"
    return f"{wanted} could not be had" if step.package_set.state == PackageState.FAILED else f"Asks for {wanted}"


def _title_of_grant(step: Step) -> str:
    asked = step.arguments.get("hosts") or step.arguments.get("secrets") or []
    wanted = f"{', '.join(str(each) for each in asked)[:150]} for {str(step.arguments.get('tool', ''))[:100]}"
    state = (step.observation or {}).get("state")
    return {"granted": f"Got {wanted}", "rejected": f"{wanted} was refused", None: f"Asks for {wanted}"}.get(
        state, f"{wanted} could not be had"
    )


def _title_of_run(step: Step, name: str) -> str:
    if step.run is None:
        return f"Wanted to run {name}"
    if step.run.state == RunState.AWAITING_APPROVAL:
        return f"Waits to run {name}"
    if step.run.is_open:
        return f"Runs {name}"
    return f"Ran {name}" if step.run.state == RunState.SUCCEEDED else f"Ran {name}, which failed"


def _text(step: Step) -> str:
    """The model's own words, and those arguments that are words for the person."""
    said = str(step.arguments.get({"ask_person": "question", "task_completed": "summary"}.get(step.tool, ""), ""))
    return "\n\n".join(part for part in (step.text, said) if part)


def _note(step: Step) -> str:
    if step.problem:
        return step.problem
    return (
        f"The model was asked {step.model_calls} times: a worker vanished or the provider failed in between."
        if step.model_calls > 1
        else ""
    )


def _shown_arguments(step: Step) -> dict[str, Any] | None:
    """Without what the step shows in another way."""
    hidden = {"source", "question", "summary"}
    return {key: value for key, value in step.arguments.items() if key not in hidden} or None


def _source(step: Step, *, has_error: bool) -> str:
    """The version's source where one was made; where a run failed, to mark the line; else the source that was refused."""
    if step.version and (step.tool == "create_or_update_tool" or has_error):
        return step.version.source
    return str(step.arguments.get("source", "")) if step.tool == "create_or_update_tool" else ""
