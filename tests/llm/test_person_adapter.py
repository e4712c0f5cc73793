"""A person as the model."""

from apps.llm.adapters import adapter_of
from apps.llm.adapters.person_adapter import reply_of_person
from apps.llm.types import Message, ModelConfig, ToolCall, ToolSpec, Waiting

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
TOOLS = (ToolSpec("run_tool", "Run it.", SCHEMA), ToolSpec("other", "", {"type": "object"}))


def test_the_model_waits_for_the_person() -> None:
    assert isinstance(adapter_of("person").complete(ModelConfig("person"), (Message("user", "x"),), TOOLS), Waiting)


def test_a_chosen_call_becomes_a_reply() -> None:
    reply = reply_of_person(text="go", tool="run_tool", arguments={"name": "a"}, tools=TOOLS, turn=3)
    assert reply.tool_calls == (ToolCall("person_3", "run_tool", {"name": "a"}),)
    assert reply.problem is None


def test_a_call_that_does_not_fit_is_a_problem_with_its_place() -> None:
    reply = reply_of_person(text="", tool="run_tool", arguments={"name": 1}, tools=TOOLS, turn=0)
    assert reply.problem == "The arguments of run_tool do not fit at $.name: 1 is not of type 'string'"


def test_a_tool_that_was_not_offered_is_a_problem_that_names_the_others() -> None:
    reply = reply_of_person(text="", tool="delete_all", arguments={}, tools=TOOLS, turn=0)
    assert reply.problem == "There is no tool 'delete_all'. The tools are: run_tool, other."


def test_text_alone_is_a_reply_without_calls() -> None:
    assert reply_of_person(text="thinking", tool="", arguments={}, tools=TOOLS, turn=0).tool_calls == ()
