"""Checks a model's tool call against the tools it was offered. Models are hostile: nothing runs unchecked."""

from __future__ import annotations

import jsonschema

from apps.llm.types import ToolCall, ToolSpec


def problem_with(call: ToolCall, tools: tuple[ToolSpec, ...]) -> str | None:
    """A sentence that tells the model what is wrong with its call, or None."""
    spec = next((tool for tool in tools if tool.name == call.name), None)
    if spec is None:
        names = ", ".join(tool.name for tool in tools)
        return f"There is no tool {call.name!r}. The tools are: {names}."
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(spec.parameters).iter_errors(call.arguments))
    if error is None:
        return None
    return f"The arguments of {call.name} do not fit at {error.json_path}: {error.message[:500]}"
