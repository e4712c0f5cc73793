"""Our messages in the shape of OpenAI's chat completions and back, which litellm and the scripted server both speak."""

from __future__ import annotations

import json
from typing import Any

from apps.llm.types import Message, ToolCall, ToolSpec


class BadArgumentsError(ValueError):
    """A tool call whose arguments are no JSON object. Its text is a sentence for the model."""


def message_to_wire(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        data["tool_calls"] = [call_to_wire(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        data["tool_call_id"] = message.tool_call_id
    return data


def call_to_wire(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}


def tool_to_wire(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def call_from_wire(data: dict[str, Any]) -> ToolCall:
    """Raises: BadArgumentsError when the arguments are no JSON object."""
    name = str(data["function"].get("name") or "")
    return ToolCall(id=str(data["id"]), name=name, arguments=read_arguments(name, data["function"].get("arguments")))


def read_arguments(name: str, text: Any) -> dict[str, Any]:
    """The arguments of a call to `name`. An empty text means none, which several providers send for tools without any.

    Raises: BadArgumentsError when the text is no JSON object.
    """
    if isinstance(text, dict):
        return text
    try:
        arguments = json.loads(text or "{}")
    except (TypeError, ValueError, RecursionError) as error:
        raise BadArgumentsError(f"The arguments of your call to {name!r} are not valid JSON: {error}. Send it again.") from error
    if not isinstance(arguments, dict):
        raise BadArgumentsError(f"The arguments of your call to {name!r} must be one JSON object. Send it again.")
    return arguments


def message_from_wire(data: dict[str, Any]) -> Message:
    """Raises: BadArgumentsError, KeyError for a message without a role."""
    calls = tuple(call_from_wire(call) for call in data.get("tool_calls") or ())
    return Message(
        role=data["role"],
        content=_text_of(data.get("content")),
        tool_calls=calls,
        tool_call_id=data.get("tool_call_id"),
    )


def _text_of(content: Any) -> str:
    """Content is a text, nothing, or a list of parts of which some are text."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
