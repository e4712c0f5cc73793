"""Any model that litellm knows, and any OpenAI-compatible or Ollama server by its base URL.

The only module that imports litellm, and only when a model is called. It asks once: retrying is the caller's business.
It never lets litellm find keys in the process's environment: those are the operator's, the call is a workspace's.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import Any

from apps.llm.adapters import provider_errors
from apps.llm.addresses import AddressRefused, check_base_url, check_host
from apps.llm.checked_http import checked_client
from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.providers import check_provider
from apps.llm.types import Embeddings, Message, ModelConfig, Reply, ToolCall, ToolSpec, Usage
from apps.llm.wire import BadArgumentsError, message_to_wire, read_arguments, tool_to_wire

USUAL_OUTPUT_TOKENS = 8192
NO_KEY = "none"  # sent to servers without keys; an empty one would make litellm send the operator's


def complete(config: ModelConfig, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Reply:
    """Raises: ModelUnavailable."""
    request: dict[str, Any] = {"messages": [message_to_wire(message) for message in messages]}
    if tools:
        request["tools"] = [tool_to_wire(tool) for tool in tools]
    if not config.base_url:
        request["max_tokens"] = _most_output_tokens(_litellm(), config)
    else:
        # For some names litellm would take OpenAI's other protocol, by a client of its own, which follows redirects.
        request["_skip_responses_api_bridge"] = True
        if config.max_output_tokens is not None:
            request["max_tokens"] = config.max_output_tokens
    return _read(config, _ask(_litellm().completion, config, request))


def embed(config: ModelConfig, texts: tuple[str, ...]) -> Embeddings:
    """Raises: ModelUnavailable."""
    # Some servers give base64 unless they are told not to.
    response = _ask(_litellm().embedding, config, {"input": list(texts), "encoding_format": "float"})
    rows = getattr(response, "data", None) or ()
    try:
        vectors = tuple(tuple(float(number) for number in row["embedding"]) for row in sorted(rows, key=lambda row: row["index"]))
    except (TypeError, KeyError, ValueError):
        vectors = ()
    if not _fit(vectors, len(texts)):
        raise ModelUnavailable(Failure.BAD_REPLY, "The model's server did not send one vector of numbers for each text.")
    return Embeddings(vectors, _usage_of(config, response))


def _fit(vectors: tuple[tuple[float, ...], ...], count: int) -> bool:
    """One for each text, all of one length, of numbers that are some."""
    lengths = {len(vector) for vector in vectors}
    return len(vectors) == count and len(lengths) == 1 and 0 not in lengths and all(map(math.isfinite, chain(*vectors)))


def _ask(call: Callable[..., Any], config: ModelConfig, request: dict[str, Any]) -> Any:
    common = {"timeout": config.timeout_seconds, "num_retries": 0, "max_retries": 0, "drop_params": True}
    ask = _ask_server if config.base_url else _ask_provider
    return ask(call, config, {**common, **request})


def _ask_server(call: Callable[..., Any], config: ModelConfig, request: dict[str, Any]) -> Any:
    """A server of the workspace's own. It speaks OpenAI's protocol, as Ollama does under /v1: one guarded way for all."""
    try:
        check_base_url(config.base_url, allowed=config.allowed_local_hosts)
        check_host(config.base_url, allowed=config.allowed_local_hosts)
    except AddressRefused as error:
        raise ModelUnavailable(Failure.REFUSED, str(error)) from error
    except OSError as error:
        raise ModelUnavailable(Failure.UNREACHABLE, f"The server's name cannot be resolved: {error.strerror}.") from error
    url, name = server_and_model(config.base_url, config.model)
    key = config.api_key or NO_KEY
    from openai import OpenAI

    with checked_client(allowed=config.allowed_local_hosts, seconds=config.timeout_seconds) as http:
        client = OpenAI(api_key=key, base_url=url, organization="", project="", max_retries=0, http_client=http)
        model = {"model": f"openai/{name}", "api_base": url, "api_key": key, "client": client}
        return _call(call, config, {**request, **model})


def _ask_provider(call: Callable[..., Any], config: ModelConfig, request: dict[str, Any]) -> Any:
    litellm = _litellm()
    try:
        _, provider, _, _ = litellm.get_llm_provider(config.model)
    except litellm.exceptions.BadRequestError as error:
        raise ModelUnavailable(Failure.NO_SUCH_MODEL, f"No provider of a model {config.model!r} is known.") from error
    check_provider(provider, has_key=bool(config.api_key), allowed=config.allowed_providers)
    key = config.api_key or None  # without one the operator has enabled a provider that uses the machine's credentials
    return _call(call, config, {**request, "model": config.model, "api_key": key})


def server_and_model(base_url: str, model: str) -> tuple[str, str]:
    """The address and the model's bare name: `ollama_chat/NAME` at http://host:11434 is NAME at http://host:11434/v1."""
    provider, slash, name = model.partition("/")
    url = base_url.rstrip("/")
    if provider in ("ollama", "ollama_chat") and slash:
        return (url if url.endswith("/v1") else f"{url}/v1"), name
    return url, name if provider == "openai" and slash else model


def _call(call: Callable[..., Any], config: ModelConfig, request: dict[str, Any]) -> Any:
    try:
        return call(**request)
    except Exception as error:  # noqa: BLE001 - litellm's, the provider's, and ValueErrors for replies it cannot read
        # Not chained: their texts may repeat the key, and a traceback in a log would print them.
        raise provider_errors.explain(error, key=config.api_key) from None


def _read(config: ModelConfig, response: Any) -> Reply:
    choice = next(iter(getattr(response, "choices", None) or ()), None)
    message = getattr(choice, "message", None)
    if choice is None or message is None:
        raise ModelUnavailable(Failure.BAD_REPLY, "The model's server sent a reply without a message.")
    text = message.content if isinstance(message.content, str) else ""
    usage = _usage_of(config, response)
    try:
        calls = tuple(_read_call(call, number) for number, call in enumerate(message.tool_calls or ()))
    except BadArgumentsError as problem:
        hint = " Your reply was cut off because it was too long." if choice.finish_reason == "length" else ""
        return Reply(text=text, usage=usage, problem=f"{problem}{hint}")
    return Reply(text=text, tool_calls=calls, usage=usage)


def _read_call(call: Any, number: int) -> ToolCall:
    name = str(call.function.name or "")
    return ToolCall(id=str(call.id or f"call_{number}"), name=name, arguments=read_arguments(name, call.function.arguments))


def _usage_of(config: ModelConfig, response: Any) -> Usage:
    counted = getattr(response, "usage", None)
    return Usage(
        input_tokens=max(0, getattr(counted, "prompt_tokens", 0) or 0),
        output_tokens=max(0, getattr(counted, "completion_tokens", 0) or 0),
        cost_usd=_cost_of(config, response),
    )


def _cost_of(config: ModelConfig, response: Any) -> Decimal | None:
    """By litellm's price list. A server of one's own may use a listed name, but its price is not the listed one."""
    if config.base_url:
        return None
    try:
        return Decimal(str(_litellm().completion_cost(completion_response=response, model=config.model)))
    except Exception:  # noqa: BLE001 - whatever litellm raises for a name that is not in its list: the price is unknown
        return None


def _most_output_tokens(litellm: Any, config: ModelConfig) -> int:
    """The configured limit, or the model's own where that is lower, since providers refuse more."""
    try:
        known = litellm.get_model_info(config.model).get("max_output_tokens")
    except Exception:  # noqa: BLE001 - litellm raises a bare Exception for a model that is not in its list
        known = None
    wanted = config.max_output_tokens or USUAL_OUTPUT_TOKENS
    return min(wanted, known or wanted)


@cache
def _litellm() -> Any:
    # The price list that comes with the package: without this it is fetched from the network at import.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # else it reads a file .env of whatever folder this runs in
    import litellm

    litellm.DEFAULT_MAX_RETRIES = 0  # type: ignore[attr-defined]  # it takes this where a call for vectors says 0
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.callbacks = litellm.success_callback = litellm.failure_callback = []
    # Its loggers print requests, and with them keys, when they are turned up.
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm
