"""What is said between agent and model survives storage."""

import json
from decimal import Decimal

import pytest

from apps.llm.types import Message, ModelConfig, Reply, ToolCall, ToolSpec, Usage

CALL = ToolCall("1", "run_tool", {"name": "a", "arguments": {"n": [1, None]}})


@pytest.mark.parametrize(
    "value",
    [
        CALL,
        Message("tool", "text", tool_call_id="1"),
        Message("assistant", "", (CALL, CALL)),
        ToolSpec("a", "b", {"type": "object"}),
        Usage(1, 2, Decimal("0.00012")),
        Usage(),
        Reply("text", (CALL,), Usage(1, 2, None)),
        Reply("text", problem="no JSON"),
    ],
)
def test_json_round_trip(value: Message | ToolCall | ToolSpec | Usage | Reply) -> None:
    assert type(value).from_json(json.loads(json.dumps(value.to_json()))) == value


def test_a_reply_with_a_problem_carries_no_calls() -> None:
    with pytest.raises(ValueError, match="no tool calls"):
        Reply("", (CALL,), problem="half of it cannot be read")


def test_a_configuration_does_not_show_its_key() -> None:
    assert "sk-1" not in repr(ModelConfig("litellm", api_key="sk-1"))
