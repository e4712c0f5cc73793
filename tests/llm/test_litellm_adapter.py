"""litellm, over real HTTP, against the scripted server; and what it must never do."""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from apps.llm.adapters import adapter_of
from apps.llm.adapters.litellm_adapter import _cost_of, server_and_model
from apps.llm.checked_http import checked_client
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.observations import Opening
from apps.llm.scripted_server import RETRY_AFTER_SECONDS, ScriptedServer
from apps.llm.types import Message, ModelConfig, Reply, ToolSpec

KEY = "sk-very-secret-key"
PROMPT = Opening("Turn the JSON file into XML.", ({"name": "a.json", "size": 2, "head": "{}"},)).to_message()
TOOLS = (ToolSpec("create_or_update_tool", "Write a tool.", {"type": "object", "properties": {}}),)
LOOPBACK = frozenset({"127.0.0.1"})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(key=KEY) as running:
        yield running


def config_of(server: ScriptedServer, **changes: Any) -> ModelConfig:
    config = ModelConfig("litellm", "openai/scripted", server.base_url, KEY, timeout_seconds=20, allowed_local_hosts=LOOPBACK)
    return replace(config, **changes)


def ask(config: ModelConfig, *messages: Message) -> Reply:
    reply = adapter_of("litellm").complete(config, messages or (PROMPT,), TOOLS)
    assert isinstance(reply, Reply)
    return reply


def failure_of(config: ModelConfig) -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as caught:
        ask(config)
    return caught.value


def test_a_tool_call_comes_back_with_its_usage(server: ScriptedServer) -> None:
    reply = ask(config_of(server))
    assert reply.tool_calls[0].name == "create_or_update_tool"
    assert reply.tool_calls[0].arguments["source"].startswith("import json")
    assert reply.usage.input_tokens > 0
    assert reply.problem is None


def test_the_conversation_and_the_tools_arrive_as_they_are(server: ScriptedServer) -> None:
    first = ask(config_of(server))
    answer = Message("tool", '{"tool": "json_to_xml", "version": 1, "problems": []}', tool_call_id=first.tool_calls[0].id)
    second = ask(config_of(server), PROMPT, first.as_message(), answer)
    assert second.tool_calls[0].name == "run_tool"
    assert second.tool_calls[0].arguments == {"name": "json_to_xml", "arguments": {"name": "a.json"}}
    assert server.requests[0]["tools"][0]["function"]["parameters"] == TOOLS[0].parameters


def test_a_malformed_call_is_a_problem_for_the_model_not_a_failure(server: ScriptedServer) -> None:
    server.faults.append("malformed_call")
    reply = ask(config_of(server))
    assert "not valid JSON" in (reply.problem or "")
    assert reply.tool_calls == ()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limited", Failure.RATE_LIMITED),
        ("wrong_key", Failure.WRONG_KEY),
        ("server_error", Failure.UNREACHABLE),
        ("dead", Failure.UNREACHABLE),
        ("flood", Failure.UNREACHABLE),
        ("not_json", Failure.BAD_REPLY),
        ("redirect", Failure.BAD_REPLY),
    ],
)
def test_each_fault_has_its_kind_and_is_asked_once(server: ScriptedServer, fault: str, kind: Failure) -> None:
    server.faults.append(fault)
    failure = failure_of(config_of(server))
    assert failure.kind is kind
    assert len(server.requests) == 1
    assert KEY not in failure.message
    assert failure.message[0].isupper()


def test_the_wait_that_a_provider_asks_for_is_told(server: ScriptedServer) -> None:
    server.faults.append("rate_limited")
    failure = failure_of(config_of(server))
    assert failure.retry_after == RETRY_AFTER_SECONDS
    assert failure.may_pass


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_a_server_that_never_finishes_is_left_at_the_deadline(server: ScriptedServer, fault: str) -> None:
    ask(config_of(server))  # the import of litellm is not part of the time
    server.faults.append(fault)
    begun = time.monotonic()
    assert failure_of(config_of(server, timeout_seconds=1)).kind is Failure.TIMED_OUT
    assert time.monotonic() - begun < 5


def test_a_server_that_is_not_there_is_unreachable(server: ScriptedServer) -> None:
    assert failure_of(config_of(server, base_url="http://127.0.0.1:9/v1")).kind is Failure.UNREACHABLE


def test_a_model_that_the_server_does_not_have(server: ScriptedServer) -> None:
    assert failure_of(config_of(server, model="openai/other")).kind is Failure.NO_SUCH_MODEL


def test_a_wrong_key_is_not_repeated_in_the_message(server: ScriptedServer) -> None:
    failure = failure_of(config_of(server, api_key="sk-mistyped"))
    assert failure.kind is Failure.WRONG_KEY
    assert "sk-mistyped" not in failure.message


def test_an_address_that_the_operator_has_not_allowed_is_not_connected_to(server: ScriptedServer) -> None:
    assert failure_of(config_of(server, allowed_local_hosts=frozenset())).kind is Failure.REFUSED
    assert server.requests == []


def test_a_name_that_changes_its_address_after_the_check_is_not_connected_to(server: ScriptedServer) -> None:
    with checked_client(allowed=frozenset(), seconds=5) as client, pytest.raises(Exception, match="not a public address"):
        client.post(f"{server.base_url}/chat/completions", json={})
    assert server.requests == []


def test_the_operators_key_is_never_sent_to_a_workspaces_server(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert failure_of(config_of(server, api_key="")).kind is Failure.WRONG_KEY


def test_a_hosted_provider_needs_the_workspaces_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    failure = failure_of(ModelConfig("litellm", "gpt-4o"))
    assert failure.kind is Failure.WRONG_KEY
    assert "needs a key" in failure.message


@pytest.mark.parametrize("model", ["bedrock/anthropic.claude-v2", "vertex_ai/gemini-pro", "huggingface/http://10.0.0.1/x"])
def test_providers_that_use_the_machines_credentials_are_for_the_operator_to_enable(model: str) -> None:
    assert failure_of(ModelConfig("litellm", model, api_key="x")).kind is Failure.REFUSED


def test_a_name_that_no_provider_has() -> None:
    assert failure_of(ModelConfig("litellm", "no-such-model", api_key="x")).kind is Failure.NO_SUCH_MODEL


def test_ollama_is_spoken_to_in_openais_protocol() -> None:
    assert server_and_model("http://h:11434/", "ollama_chat/llama3:8b") == ("http://h:11434/v1", "llama3:8b")
    assert server_and_model("http://h:11434/v1", "ollama/llama3") == ("http://h:11434/v1", "llama3")
    assert server_and_model("https://h/v1", "openai/org/name") == ("https://h/v1", "org/name")
    assert server_and_model("https://h/v1", "org/name") == ("https://h/v1", "org/name")


def test_the_price_is_known_by_the_list_or_said_to_be_unknown(server: ScriptedServer) -> None:
    import litellm  # the adapter has set it up in the tests above or does so now

    usage = litellm.Usage(prompt_tokens=1000, completion_tokens=1000, total_tokens=2000)
    response = litellm.ModelResponse(model="gpt-4o", usage=usage)
    assert (_cost_of(ModelConfig("litellm", "gpt-4o"), response) or 0) > Decimal(0)
    assert _cost_of(ModelConfig("litellm", "openai/our-own-tune"), SimpleNamespace()) is None
    assert _cost_of(config_of(server, model="gpt-4o"), response) is None


def test_litellm_tells_nobody_and_reads_no_file(server: ScriptedServer) -> None:
    ask(config_of(server))
    import litellm

    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    assert os.environ["LITELLM_MODE"] == "PRODUCTION"
    assert litellm.success_callback == []
    assert logging.getLogger("LiteLLM").level == logging.CRITICAL
