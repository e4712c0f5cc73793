"""The protocol's handlers: list tools, call one. Nothing is remembered between two requests."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import anyio
from jsonschema import Draft202012Validator
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from apps.agents.tools import ArgumentsDoNotFit
from apps.core.errors import DomainError
from apps.functions.arguments import ArgumentsInvalid, find_unkeepable
from apps.mcp import sessions
from apps.mcp.forge import PREFIX, Call, run_state, visible_tools
from apps.mcp.functions import as_tool, failed, result_of, runnable, told
from apps.mcp.waiting import perform, wait_for_run
from apps.runs.models import Run
from apps.runs.services import AlreadyFinished, cancel_run, start_run
from apps.workspaces.models import Membership

PAGE = 50
# In the ASGI scope, put there by the endpoint; the last one when the client has hung up.
MEMBER, SESSION, LEFT = "selfsmith.member", "selfsmith.session", "selfsmith.left"
INSTRUCTIONS = """Tools without a hyphen are functions that this team keeps. Tools that begin with forge- make new ones: look with
forge-find_function first, write with forge-create_or_update_tool, try with forge-run_tool, mend it from its traceback, and when
it works ask with forge-propose_promotion for it to be kept. Code runs in a sandbox without network; packages, hosts, secrets and
a place in the library need a person: ask, go on with other work, and look with forge-request_state."""

type Context = ServerRequestContext[Any, Any]


async def list_tools(context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """The forge's tools, then functions by name; the cursor is the last name that was told."""
    member: Membership = _scope(context)[MEMBER]
    cursor = params.cursor if params and params.cursor is not None else ""
    if cursor and not cursor.isidentifier():
        raise MCPError(types.INVALID_PARAMS, "This cursor was not given out here: begin without one.")
    return await perform(member, lambda: _page(member, cursor))


def _scope(context: Context) -> Mapping[str, Any]:
    """Of the HTTP request, as the endpoint left it."""
    assert context.request is not None, "requests come by HTTP alone"
    scope: Mapping[str, Any] = context.request.scope
    return scope


def _page(member: Membership, after: str) -> types.ListToolsResult:
    found = list(runnable(member).filter(name__gt=after)[: PAGE + 1])
    tools = [] if after else [tool.as_tool() for tool in visible_tools(member)]
    tools += [as_tool(function) for function in found[:PAGE]]
    return types.ListToolsResult(tools=tools, next_cursor=found[PAGE - 1].name if len(found) > PAGE else None)


async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Do what a tool does. What it refuses is a result that the model can act on; a tool that is not there is an error."""
    member: Membership = _scope(context)[MEMBER]
    session: str | None = _scope(context)[SESSION]
    key = sessions.run_key(session, context.request_id) if session and context.request_id is not None else None
    try:
        answer = await perform(member, lambda: _begin(Call(member, key), params.name, params.arguments or {}))
        if not isinstance(answer, Run):
            return told(answer)
        run = await _ended(context, member, answer.pk)
    except DomainError as error:
        return failed(_in_words(error))
    if params.name.startswith(PREFIX):
        return told(await perform(member, lambda: run_state(run)), run)
    return result_of(run)


def _begin(call: Call, name: str, arguments: dict[str, Any]) -> dict[str, Any] | Run:
    if unkeepable := find_unkeepable(arguments):
        raise ArgumentsInvalid(unkeepable)
    tool = next((each for each in visible_tools(call.member) if PREFIX + each.name == name), None)
    if tool is not None:
        _check_arguments(tool.parameters, arguments)
        return tool.handler(call, arguments)
    function = runnable(call.member).filter(name=name).first() if name.isidentifier() else None
    if function is None or function.active_version is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {name[:100]}")
    function.active_version.function = function
    return start_run(actor=call.member, version=function.active_version, arguments=arguments, idempotency_key=call.key)


def _check_arguments(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    problems = [f"{each.json_path}: {each.message[:200]}" for each in Draft202012Validator(schema).iter_errors(arguments)]
    if problems:
        raise ArgumentsDoNotFit(f"The arguments do not fit: {'; '.join(problems[:5])}.")


async def _ended(context: Context, member: Membership, run_id: UUID) -> Run:
    """Wait for it. A client of the newest revision cancels by hanging up; older ones say so, and may come back. A web process
    that is told to end cancels nothing."""
    try:
        return await wait_for_run(member, run_id, lambda share, text: context.session.report_progress(share, 1.0, text))
    except anyio.get_cancelled_exc_class():
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS and _scope(context).get(LEFT):
            with anyio.CancelScope(shield=True):
                await perform(member, lambda: _cancel(member, run_id))
        raise


def cancel_request(member: Membership, session: str, request_id: str | int) -> None:
    """Cancel the run that a request has started, if there is one and it has not ended."""
    run = Run.objects.open().filter(asked_by=member, idempotency_key=sessions.run_key(session, request_id)).first()
    if run is not None:
        _cancel(member, run.pk)


def _cancel(member: Membership, run_id: UUID) -> None:
    try:
        cancel_run(actor=member, run_id=run_id)
    except AlreadyFinished:
        return  # it was faster


def _in_words(error: DomainError) -> str:
    """With the place of each problem where a source was refused."""
    problems = [f"line {each['line']}: {each['message']}" for each in error.details.get("problems", [])]
    return "\n".join([error.message, *problems])


server: Server[Any] = Server(
    "selfsmith",
    title="Selfsmith",
    instructions=INSTRUCTIONS,
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    get_tool_input_schema=lambda name: None,  # no argument is repeated in a header, so none has to be compared
)
