"""A person plays the model: the loop stops here, holds no worker, and goes on with what the person answers."""

from __future__ import annotations

from typing import Any

from apps.llm.calls import problem_with
from apps.llm.types import Message, ModelConfig, Reply, ToolCall, ToolSpec, Waiting


def complete(config: ModelConfig, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Waiting:  # noqa: ARG001 - the adapter's signature
    return Waiting(reason="Somebody plays the model: the next call is chosen on the task's page.")


def reply_of_person(*, text: str, tool: str, arguments: dict[str, Any], tools: tuple[ToolSpec, ...], turn: int) -> Reply:
    """What a person chose, as a reply like any other model's. `turn` makes the call's id unique in the conversation.

    Without a tool it is text only. A call that does not fit its tool's schema comes back as a problem to show.
    """
    if not tool:
        return Reply(text=text)
    call = ToolCall(id=f"person_{turn}", name=tool, arguments=arguments)
    problem = problem_with(call, tools)
    return Reply(text=text, problem=problem) if problem else Reply(text=text, tool_calls=(call,))
