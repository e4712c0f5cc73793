"""What code in a box asks of a language model, read from a payload that is hostile: each field is checked before it is used."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast, get_args

from apps.core.errors import Invalid
from apps.llm.types import Message, Role, ToolCall, ToolSpec

MOST_MESSAGES = 500
MOST_TOOLS = 64
MOST_TEXTS = 64
BYTES_PER_TOKEN = 3  # of most languages it is four; what is reserved should rather be too much

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class BadQuestion(Invalid):
    code = "bad_model_question"


@dataclass(frozen=True)
class Question:
    """Messages and tools, or texts to embed. `tokens` is about what they have; `max_tokens` the most of the reply, as asked."""

    model: str
    tokens: int
    messages: tuple[Message, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    texts: tuple[str, ...] = ()
    max_tokens: int | None = None


def read_completion(payload: dict[str, Any]) -> Question:
    """Raises: BadQuestion."""
    messages = tuple(_message(each) for each in _list(payload, "messages", MOST_MESSAGES))
    tools = tuple(_tool(each) for each in _list(payload, "tools", MOST_TOOLS))
    if not messages:
        raise BadQuestion("Say something to the model: a text, or messages of a conversation.")
    said = [str(message.to_json()) if message.tool_calls else message.content for message in messages]
    said += [str(tool.to_json()) for tool in tools]
    return Question(_model(payload), tokens_of(said), messages, tools, max_tokens=_max_tokens(payload))


def read_embedding(payload: dict[str, Any]) -> Question:
    """Raises: BadQuestion."""
    texts = tuple(_list(payload, "texts", MOST_TEXTS))
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise BadQuestion("Vectors are for texts that are not empty.")
    return Question(_model(payload), tokens_of(texts), texts=texts)


def tokens_of(texts: Iterable[str]) -> int:
    """About how many tokens they have; only their model knows. Each has a few for its frame."""
    return sum(len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 4 for text in texts)


def _list(payload: dict[str, Any], name: str, most: int) -> list[Any]:
    given = payload.get(name)
    if not isinstance(given, list) or len(given) > most:
        raise BadQuestion(f"“{name}” is a list of at most {most}.")
    return given


def _model(payload: dict[str, Any]) -> str:
    name = payload.get("model") or ""
    if not isinstance(name, str):
        raise BadQuestion("“model” is the name of a model of this workspace.")
    return name


def _max_tokens(payload: dict[str, Any]) -> int | None:
    most = payload.get("max_tokens")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise BadQuestion("“max_tokens” is a whole number of tokens, at least 1.")
    return most


def _message(given: Any) -> Message:
    if not isinstance(given, dict) or given.get("role") not in get_args(Role) or not isinstance(given.get("content"), str):
        raise BadQuestion("A message has a role (system, user, assistant or tool) and a content, which is a text.")
    calls, answered = given.get("tool_calls") or [], given.get("tool_call_id")
    if not isinstance(calls, list) or not (answered is None or isinstance(answered, str)):
        raise BadQuestion("“tool_calls” is a list, and “tool_call_id” the id of one of them.")
    return Message(cast(Role, given["role"]), given["content"], tuple(map(_call, calls)), answered)


def _call(given: Any) -> ToolCall:
    if (
        not isinstance(given, dict)
        or not isinstance(given.get("arguments"), dict)
        or not all(isinstance(given.get(key), str) for key in ("id", "name"))
    ):
        raise BadQuestion("A tool call has an id, a name and arguments by name.")
    return ToolCall(given["id"], given["name"], given["arguments"])


def _tool(given: Any) -> ToolSpec:
    name, description, parameters = (
        (given.get(key) for key in ("name", "description", "parameters")) if isinstance(given, dict) else ("", "", "")
    )
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise BadQuestion("A tool's name is made of letters, digits, “_” and “-”, at most 64.")
    if not isinstance(description, str) or not isinstance(parameters, dict):
        raise BadQuestion(f"The tool {name} needs a description, which is a text, and parameters, which are a JSON Schema.")
    return ToolSpec(name, description, parameters)
