"""Whatever a model answers, the worker lives, the task ends, and what cannot be kept is told to the model."""

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.agents import loop
from apps.agents.models import TaskState
from apps.agents.replies import made_usable
from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.llm.types import Reply, ToolCall, Usage
from apps.runs.models import Run
from tests.agents.conftest import COMPLETE, Bench, call, run_tool, write_tool


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


UNKEEPABLE = {
    "a NUL in a text": call("find_function", query="a\x00b"),
    "half a surrogate pair": call("find_function", query="\ud800"),
    "a NUL in a name": call("find_function", {"que\x00ry": "a"}),
    "a NUL in a source": write_tool("def add():\n    return '\x00'\n"),
    "no number": call("run_tool", name="add", arguments={"a": math.nan}),
    "too great a number": call("run_tool", name="add", arguments={"a": math.inf}),
    "deeply nested": call("run_tool", name="add", arguments={"a": nested(200)}),
    "nested beyond recursion": call("run_tool", name="add", arguments={"a": nested(50_000)}),
    "very long": call("save_artifact", name="a.txt", text="x" * (2 << 20)),
    "no tool's name": Reply(text="", tool_calls=(ToolCall("1", "", {}),)),
    "a tool's name with a NUL": Reply(text="", tool_calls=(ToolCall("1", "find\x00", {}),)),
    "a tool's name as a sentence": Reply(text="", tool_calls=(ToolCall("1", "please find " * 100, {}),)),
}


@pytest.mark.parametrize("reply", UNKEEPABLE.values(), ids=UNKEEPABLE.keys())
def test_a_call_that_cannot_be_kept_is_told_and_not_carried_out(bench: Bench, reply: Reply) -> None:
    task = bench.play(reply, COMPLETE)
    assert task.state == TaskState.COMPLETED
    first = bench.steps(task)[0]
    assert (first.tool, first.arguments, first.model_calls) == ("", {}, 1)
    assert bench.asked[-1][-1].content.startswith(first.problem)
    assert first.problem.endswith((".", "characters."))
    with scope(bench.cast.acme.pk):
        assert not Function.objects.exists()
        assert not Run.objects.exists()


REFUSED = {
    "wrong types": call("find_function", query={"a": 1}),
    "a list for a text": call("save_artifact", name=["a"], text="b"),
    "names as one text": call("request_package", requirements="markdown", reason="It helps."),
    "too many arguments": call("find_function", query="a", **{f"more_{n}": n for n in range(1000)}),
    "nothing": call("create_or_update_tool"),
    "a path out of the folder": call("save_artifact", name="..", text="b"),
    "an address as a package": call("request_package", requirements=["git+https://example.com/x"], reason="It helps."),
    "no reason": call("request_package", requirements=["markdown"], reason=" "),
    "no such function": run_tool("no_such_function"),
    "a function's name that is none": run_tool("../../etc/passwd"),
    "a builtin's name": write_tool("def print():\n    pass\n", name="print"),
    "a source that is none": write_tool("\u202e rm -rf"),
    "a source over 256 KiB": write_tool("#" * (257 << 10)),
    "a deep source": write_tool("def add():\n    return " + "(" * 20_000),
}


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED.keys())
def test_a_call_that_is_refused_becomes_an_observation_and_stores_nothing(bench: Bench, reply: Reply) -> None:
    task = bench.play(reply, COMPLETE)
    assert task.state == TaskState.COMPLETED
    observation = bench.steps(task)[0].observation
    told = observation.get("problem") or observation.get("reason") or observation["problems"][0]
    assert len(told) > 10
    assert len(json.dumps(observation)) < 20_000
    assert json.loads(bench.asked[-1][-1].content) == observation
    with scope(bench.cast.acme.pk):
        assert not Function.objects.exists()
        assert not Run.objects.exists()


def test_texts_are_kept_with_a_mark_where_they_hold_what_cannot_be_stored(bench: Bench) -> None:
    odd = "a\x00b\ud800"
    task = bench.play(
        Reply(text=odd, problem=odd),
        Reply(text=odd * 200_000, tool_calls=(ToolCall(odd, "find_function", {"query": "a"}),)),
        COMPLETE,
    )
    first, second, _ = bench.steps(task)
    assert (first.text, first.problem) == ("a�b�", "a�b�")
    assert len(second.text) == 100_000
    assert second.reply["tool_calls"][0]["id"] == "a�b�"


def test_numbers_that_no_provider_counts_do_not_break_the_budget(bench: Bench) -> None:
    usage = Usage(10**15, 10**15, Decimal(10) ** 15)
    task = bench.play(Reply(text="", usage=usage))
    assert task.state == TaskState.OVER_BUDGET


def test_a_binary_file_can_be_a_tasks_file(bench: Bench) -> None:
    task = bench.play(COMPLETE, files={"image.png": bytes(range(256)) * 10})
    assert task.state == TaskState.COMPLETED
    there = json.loads(bench.asked[0][1].content.rpartition("\n")[2])
    assert there["files"][0]["head"].startswith("\x00\x01")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.django_db
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["find_function", "x" * 61, "a b", ""]),
    text=st.text(st.characters(exclude_categories=())),
    value=json_values,
)
def test_any_reply_that_was_made_usable_can_be_stored(name: str, text: str, value: Any) -> None:
    reply = made_usable(Reply(text=text, tool_calls=(ToolCall(text, name, {"value": value}),)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb, %s::text", [json.dumps(reply.to_json()), reply.text])
    assert bool(reply.problem) != bool(reply.tool_calls)


def test_the_loop_ends_when_the_model_only_ever_sends_rubbish(bench: Bench) -> None:
    task = bench.play(*[UNKEEPABLE["a NUL in a text"]] * 3)
    assert task.state == TaskState.FAILED
    assert "NUL" in task.failure
    assert not loop.perform_next_task()
