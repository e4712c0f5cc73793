"""The forge's tools: how an agent from outside finds, makes, tries and proposes functions. See `agents.forge`.

Their names hold a hyphen, which no function's name does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mcp import types

from apps.agents import forge
from apps.agents.observations import output_tail
from apps.agents.prompts import TOOLS
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import get_request
from apps.approvals.states import RequestState
from apps.functions.definition import Provenance
from apps.functions.models import FunctionVersion, Origin
from apps.functions.services import NoSuchFunction
from apps.packages.models import PackageSet
from apps.runs.models import Run
from apps.runs.services import cancel_run, find_run
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission

PREFIX = "forge-"
WAITING = "A person decides. Go on with other work and ask again with forge-request_state; nothing is lost meanwhile."
type Arguments = dict[str, Any]
type Answer = dict[str, Any] | Run


@dataclass(frozen=True)
class Call:
    """Who calls, and under which key a run is started, so that a repeated request starts no second one."""

    member: Membership
    key: str | None

    @property
    def bench(self) -> forge.Bench:
        return forge.Bench(self.member, Provenance(Origin.AGENT, model=f"by MCP: {self.member.token_name}"[:200]))


type Handler = Callable[[Call, Arguments], Answer]


@dataclass(frozen=True)
class ForgeTool:
    """One tool of the forge, which only those see who have the permission."""

    name: str
    description: str
    parameters: dict[str, Any]
    needs: Permission
    handler: Handler

    def as_tool(self) -> types.Tool:
        looks = self.needs == Permission.VIEW
        hints = types.ToolAnnotations(read_only_hint=looks, destructive_hint=False, open_world_hint=False)
        return types.Tool(name=PREFIX + self.name, description=self.description, input_schema=self.parameters, annotations=hints)


def visible_tools(member: Membership) -> list[ForgeTool]:
    return [tool for tool in FORGE.values() if member.can(tool.needs)]


def _find_function(call: Call, arguments: Arguments) -> Answer:
    found = forge.find_functions(call.bench, arguments["query"])
    return {"functions": [{"name": each.name, "description": each.description} for each in found]}


def _read_function(call: Call, arguments: Arguments) -> Answer:
    version = forge.find_tool(call.bench, arguments["name"], arguments.get("version"))
    if version is None:
        raise NoSuchFunction(f"There is no function “{arguments['name'][:100]}” here.")
    return {
        **_version(version),
        "description": version.function.description,
        "source": version.source,
        "input_schema": version.input_schema,
        "output_schema": version.output_schema,
        "requirements": version.requirements,
        "dependencies": version.dependencies,
        "hosts": version.hosts,
        "secrets": version.secrets,
    }


def _create_or_update_tool(call: Call, arguments: Arguments) -> Answer:
    return {**_version(forge.write_tool(call.bench, **arguments)), "next": "Run it with forge-run_tool."}


def _version(version: FunctionVersion) -> dict[str, Any]:
    state = "active" if version.is_active else "draft" if version.is_draft else "earlier"
    return {"tool": version.function.name, "version": version.number, "state": state}


def _request_package(call: Call, arguments: Arguments) -> Answer:
    return _package_state(forge.ask_for_packages(call.bench, **arguments))


def _package_state(asked: PackageSet) -> dict[str, Any]:
    state = {
        "request": str(asked.pk),
        "kind": "packages",
        "for": asked.requirements,
        "state": asked.state,
        "reason": asked.failure,
    }
    return {**state, "next": WAITING if asked.is_current and not asked.is_ready else ""}


def _request_grant(call: Call, arguments: Arguments) -> Answer:
    version, capabilities = forge.ask_for_grant(call.bench, **arguments)
    return {**_version(version), **_request_state_of(capabilities.request)}


def _request_state_of(request: ApprovalRequest) -> dict[str, Any]:
    is_open = request.state == RequestState.OPEN
    return {
        "request": str(request.pk),
        "kind": request.kind,
        "for": request.title,
        "state": request.state,
        "reason": request.closing_reason,
        "next": WAITING if is_open else "",
    }


def _request_state(call: Call, arguments: Arguments) -> Answer:
    asked = PackageSet.objects.filter(pk=arguments["request"]).first()
    return (
        _package_state(asked)
        if asked
        else _request_state_of(get_request(actor=call.member, request_id=UUID(arguments["request"])))
    )


def _run_tool(call: Call, arguments: Arguments) -> Answer:
    return forge.run_tool(
        call.bench,
        name=arguments["name"],
        arguments=arguments["arguments"],
        number=arguments.get("version"),
        idempotency_key=call.key,
    )


def _get_run(call: Call, arguments: Arguments) -> Answer:
    return run_state(find_run(UUID(arguments["run"])))


def _read_log(call: Call, arguments: Arguments) -> Answer:
    run = find_run(UUID(arguments["run"]))
    return {"run": str(run.pk), "state": run.state, "output": output_tail(run)}


def _cancel_run(call: Call, arguments: Arguments) -> Answer:
    run = cancel_run(actor=call.member, run_id=UUID(arguments["run"]))
    return {"run": str(run.pk), "state": run.state}


def _propose_promotion(call: Call, arguments: Arguments) -> Answer:
    asked = forge.propose_tool(call.bench, name=arguments["name"], reason=arguments["reason"], number=arguments.get("version"))
    return _request_state_of(asked)


def run_state(run: Run) -> dict[str, Any]:
    """What the forge tells of a run: the traceback too, for who has to mend the tool."""
    return {
        "run": str(run.pk),
        "tool": run.function.name,
        "version": run.version.number,
        "state": run.state,
        "message": run.message,
        "result": run.result,
        "error": run.error,
        "artifacts": list(run.artifacts.order_by("id").values_list("name", flat=True)),
        "output": output_tail(run),
    }


_ID = {"type": "string", "format": "uuid", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
_VERSION = {"type": "integer", "minimum": 1, "description": "number of a version; the newest when left out"}
_NAME = {"type": "string", "description": "the function's name"}


def _shared(name: str, needs: Permission, handler: Handler, /, **more: Mapping[str, Any]) -> ForgeTool:
    """A tool that our own agents are offered too, in the same words and with the same arguments."""
    spec = next(spec for spec in TOOLS if spec.name == name)
    parameters = {**spec.parameters, "properties": {**spec.parameters["properties"], **more}}
    return ForgeTool(name, spec.description, parameters, needs, handler)


def _own(
    name: str, description: str, needs: Permission, handler: Handler, required: list[str], /, **properties: Mapping[str, Any]
) -> ForgeTool:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return ForgeTool(name, description, schema, needs, handler)


_ALL = (
    _shared("find_function", Permission.VIEW, _find_function),
    _own(
        "read_function", "Read a function: its source, schemas and what it needs.", Permission.VIEW, _read_function, ["name"],
        name=_NAME, version=_VERSION,
    ),
    _shared("create_or_update_tool", Permission.PROPOSE, _create_or_update_tool),
    _shared("run_tool", Permission.RUN, _run_tool, version=_VERSION),
    _own("get_run", "See how a run stands or how it ended.", Permission.VIEW, _get_run, ["run"], run=_ID),
    _own("read_log", "Read the end of what a run has printed.", Permission.VIEW, _read_log, ["run"], run=_ID),
    _own("cancel_run", "Stop a run.", Permission.RUN, _cancel_run, ["run"], run=_ID),
    _shared("request_package", Permission.PROPOSE, _request_package),
    _shared("request_host", Permission.PROPOSE, _request_grant),
    _shared("request_secret", Permission.PROPOSE, _request_grant),
    _own(
        "request_state", "See whether people have decided on a request, and what they said.", Permission.VIEW, _request_state,
        ["request"], request=_ID,
    ),
    _own(
        "propose_promotion",
        "Ask people to keep a tool that you have written and run: they read the source, and it becomes the active version.",
        Permission.PROPOSE,
        _propose_promotion,
        ["name", "reason"],
        name=_NAME,
        reason={"type": "string", "description": "what it is good for and how it was tried"},
        version=_VERSION,
    ),
)  # fmt: skip
FORGE: Mapping[str, ForgeTool] = {tool.name: tool for tool in _ALL}
