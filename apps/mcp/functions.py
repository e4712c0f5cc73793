"""The library as tools: what is told of a function, and what its result looks like."""

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from jsonschema import Draft202012Validator
from mcp import types

from apps.functions.models import Function, FunctionVersion
from apps.runs.models import Run
from apps.runs.states import RunState
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission

RUN = "selfsmith/run"  # in `_meta` of a result: the run's id


def runnable(member: Membership) -> QuerySet[Function]:
    """The functions that the member's token may run, by name."""
    rows = Function.objects.library().filter(active_version__isnull=False).select_related("active_version").order_by("name")
    if member.can(Permission.RUN):
        return rows
    named = member.token.functions if member.token and member.token.holds(Permission.RUN) else []
    return rows.filter(name__in=named if member.role_allows(Permission.RUN) else [])


def as_tool(function: Function) -> types.Tool:
    """The hints are told from what the version states: without hosts and secrets it touches nothing outside."""
    version = function.active_version
    assert version is not None, "only functions with an active version are listed"
    touches = bool(version.hosts or version.secrets)
    return types.Tool(
        name=function.name,
        description=function.description or version.description,
        input_schema=_input_schema(version.input_schema),
        output_schema=result_schema(version),
        annotations=types.ToolAnnotations(open_world_hint=touches, destructive_hint=touches),
    )


def _input_schema(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Without our own keywords; the database forgets the order of properties, which one of them keeps."""
    schema = {key: value for key, value in stored.items() if not key.startswith("x-")}
    order = [name for name in stored.get("x-order", []) if name in schema["properties"]]
    return {**schema, "properties": {name: schema["properties"][name] for name in order or schema["properties"]}}


def result_schema(version: FunctionVersion) -> dict[str, Any]:
    """Structured results are objects, and a function's result may be anything: so it stands under `result`."""
    inner = {key: value for key, value in version.output_schema.items() if key not in ("$schema", "$defs")}
    schema: dict[str, Any] = {"type": "object", "properties": {"result": inner}, "required": ["result"]}
    if definitions := version.output_schema.get("$defs"):
        schema["$defs"] = definitions
    return schema


def result_of(run: Run) -> types.CallToolResult:
    """What a run that has ended, or waits for people, tells the client."""
    if run.state != RunState.SUCCEEDED:
        return failed(_trouble(run), run)
    structured = {"result": run.result}
    if not Draft202012Validator(result_schema(run.version)).is_valid(structured):
        text = json.dumps(run.result, ensure_ascii=False)
        return failed(f"The function gave what its return annotation does not allow: {text}", run)
    return told(structured, run)


def told(structured: dict[str, Any], run: Run | None = None) -> types.CallToolResult:
    """A result, as structure and as text for clients that know no structure."""
    text = types.TextContent(text=json.dumps(structured, ensure_ascii=False))
    return types.CallToolResult(content=[text], structured_content=structured, **_meta(run))


def failed(message: str, run: Run | None = None) -> types.CallToolResult:
    """What went wrong, in a sentence that a model can act on."""
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True, **_meta(run))


def _meta(run: Run | None) -> dict[str, Any]:
    return {"_meta": {RUN: str(run.pk)}} if run else {}


def _trouble(run: Run) -> str:
    if run.state == RunState.AWAITING_APPROVAL:
        return (
            f"The run {run.pk} waits until people have agreed to what it needs; it goes on by itself. "
            "Look again with forge-get_run."
        )
    if run.is_open:
        return f"The run {run.pk} has not ended yet and goes on. Look again with forge-get_run."
    traceback = f"\n{run.error['traceback']}" if run.error and run.error.get("traceback") else ""
    return f"The run {run.pk} ended as {run.state}: {run.message}{traceback}"
