"""What happens in the apps below and above becomes events. Called inside the transaction of what happened."""

from typing import Any
from uuid import UUID

from apps.core.canonical import canonical_json
from apps.functions.models import FunctionVersion
from apps.runs.models import Artifact, Run
from apps.runs.states import RunState
from apps.triggers import types
from apps.triggers.events import Chain, chain_of, deliver, record_event
from apps.triggers.models import Delivery, Rule
from apps.triggers.states import DeliveryKind

MAX_RESULT_BYTES = 24 * 1024
MAX_SOURCE_CHARACTERS = 32 * 1024
MAX_FILES = 100


def tell_run(*, run_id: UUID, state: str, **_: Any) -> None:
    """A run has ended; and if a rule had started it in vain, that rule has failed."""
    heavy = ("closure", "version__source", "version__input_schema", "version__output_schema")
    run = Run.objects.select_related("function", "version", "example").defer(*heavy).get(pk=run_id)
    if run.function.task_id is not None or run.is_trial:
        return  # what a task makes for itself is nobody else's news, nor what comes of a draft's examples
    chain = chain_of(run)
    record_event(
        type=f"run.{state}", source=f"/functions/{run.function.name}", subject=str(run.pk), data=_told_of(run),
        function=run.function, run=run, chain=chain,
    )  # fmt: skip
    if state != RunState.SUCCEEDED and chain.root_id is not None:
        for delivery in Delivery.objects.filter(run=run).exclude(kind=DeliveryKind.ERROR).select_related("rule", "event"):
            tell_rule_failed(delivery, reason=run.message, run=run)


def tell_artifacts(*, run_id: UUID, artifacts: list[Artifact], **_: Any) -> None:
    """A run has left files. They are named and not sent: a function that a rule starts gets words, not files."""
    run = Run.objects.select_related("function", "example").get(pk=run_id)
    if run.function.task_id is not None or run.is_trial:
        return
    names = ("name", "size", "sha256", "media_type")
    files = [{"id": str(file.pk), **{name: getattr(file, name) for name in names}} for file in artifacts[:MAX_FILES]]
    data = {"run": str(run.pk), "function": run.function.name, "files": files, "files_count": len(artifacts)}
    record_event(
        type=types.ARTIFACT_STORED, source=f"/functions/{run.function.name}", subject=str(run.pk), data=data,
        function=run.function, run=run, chain=chain_of(run),
    )  # fmt: skip


def tell_version(*, function_id: str, version_id: str, **_: Any) -> None:
    """A version was saved. Whether it is active at once, the next event tells."""
    version = FunctionVersion.objects.select_related("function").get(pk=version_id)
    _tell_of_version(version, types.FUNCTION_CREATED if version.number == 1 else types.FUNCTION_UPDATED)


def tell_activation(*, function_id: str, version_id: str, **_: Any) -> None:
    """Another version than before is the active one: a new one, or an earlier one again."""
    _tell_of_version(FunctionVersion.objects.select_related("function").get(pk=version_id), types.FUNCTION_ACTIVATED)


def _tell_of_version(version: FunctionVersion, event_type: str) -> None:
    function = version.function
    if function.task_id is not None:
        return
    is_short = len(version.source) <= MAX_SOURCE_CHARACTERS
    data = {
        "function": function.name,
        "version": version.number,
        "author": version.author_name,
        "origin": version.origin,
        "source": version.source if is_short else None,
        "source_is_left_out": not is_short,
    }
    record_event(
        type=event_type,
        source=f"/functions/{function.name}", subject=function.name, data=data, function=function,
    )  # fmt: skip


def tell_request(*, request_id: UUID, kind: str, reason: str = "", **_: Any) -> None:
    """People have let packages in."""
    if kind == "packages":
        data = {"request": str(request_id), "reason": reason}
        record_event(type=types.PACKAGE_APPROVED, source="/packages", subject=str(request_id), data=data)


def tell_task(*, task_id: UUID, state: str, **_: Any) -> None:
    """An agent's task has ended."""
    data = {"task": str(task_id), "state": state}
    record_event(type=f"task.{state}", source="/tasks", subject=str(task_id), data=data)


def tell_rule_failed(delivery: Delivery, *, reason: str, run: Run | None = None) -> None:
    """A rule did not do what it is for: an event of its own, and the rule's error handler is told of it."""
    rule: Rule = delivery.rule
    data = {
        "rule": rule.name,
        "event": str(delivery.event_id),
        "run": str(run.pk) if run else None,
        "state": run.state if run else delivery.state,
        "reason": reason[:2000],
    }
    event = record_event(
        type=types.RULE_FAILED, source=f"/rules/{rule.name}", subject=rule.name, data=data, function=rule.target_id, run=run,
        chain=Chain(delivery.root_id, delivery.event.depth + 1),
    )  # fmt: skip
    if rule.error_handler_id is not None:
        deliver(event, [rule.pk], kind=DeliveryKind.ERROR)


def _told_of(run: Run) -> dict[str, Any]:
    """Secrets are masked in all of it. What is too large is left out, and it is said that it was."""
    error = {name: str(run.error.get(name) or "")[:2000] for name in ("type", "message")} if run.error else None
    told: dict[str, Any] = {
        "run": str(run.pk),
        "function": run.function.name,
        "version": run.version.number,
        "state": str(run.state),
        "message": run.message[:2000],
        "error": error,
        "seconds": run.seconds,
        "task": str(run.task_id) if run.task_id else None,
        "parent": str(run.parent_id) if run.parent_id else None,
    }
    for name in ("result", "arguments"):
        value = getattr(run, name)
        is_small = len(canonical_json(value).encode()) <= MAX_RESULT_BYTES
        told |= {name: value if is_small else None, f"{name}_is_left_out": not is_small}
    return told
