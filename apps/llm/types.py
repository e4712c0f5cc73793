"""What is said between an agent and a model. Plain frozen values with a JSON round trip; no I/O and no Django here."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, cast

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish that a tool be called. The arguments are hostile input and not yet checked against a schema."""

    id: str
    name: str
    arguments: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "arguments": self.arguments}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ToolCall:
        return cls(id=data["id"], name=data["name"], arguments=data["arguments"])


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "content": self.content,
            "tool_calls": [call.to_json() for call in self.tool_calls],
            "tool_call_id": self.tool_call_id,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Message:
        return cls(
            role=cast(Role, data["role"]),
            content=data["content"],
            tool_calls=tuple(ToolCall.from_json(call) for call in data["tool_calls"]),
            tool_call_id=data["tool_call_id"],
        )


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as it is offered to a model. `parameters` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    parameters: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "description": self.description, "parameters": self.parameters}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ToolSpec:
        return cls(name=data["name"], description=data["description"], parameters=data["parameters"])


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and US dollars of one call. `cost_usd` is None where nobody knows the price: then tokens and time bind."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None

    def to_json(self) -> dict[str, Any]:
        cost = None if self.cost_usd is None else str(self.cost_usd)
        return {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens, "cost_usd": cost}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Usage:
        cost = None if data["cost_usd"] is None else Decimal(data["cost_usd"])
        return cls(input_tokens=data["input_tokens"], output_tokens=data["output_tokens"], cost_usd=cost)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    With a `problem` the reply could not be used (a tool call that is not JSON, no prepared reply): it then carries no
    tool calls, so that half an intention is never carried out. The loop tells the problem to the model, a bounded
    number of times.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    problem: str | None = None

    def __post_init__(self) -> None:
        if self.problem is not None and self.tool_calls:
            raise ValueError("A reply with a problem carries no tool calls.")

    def as_message(self) -> Message:
        """This reply as the assistant's turn in the conversation."""
        return Message(role="assistant", content=self.text, tool_calls=self.tool_calls)

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "tool_calls": [call.to_json() for call in self.tool_calls],
            "usage": self.usage.to_json(),
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Reply:
        return cls(
            text=data["text"],
            tool_calls=tuple(ToolCall.from_json(call) for call in data["tool_calls"]),
            usage=Usage.from_json(data["usage"]),
            problem=data["problem"],
        )


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of texts, in their order."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The answer comes later, from a person. The caller stores its state and holds no worker meanwhile."""

    reason: str


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything one call needs. Built just before the call, because it holds the opened key; never stored or logged.

    Without `max_output_tokens` a provider is asked for the usual, and a server of one's own for whatever it gives.
    """

    kind: str
    model: str = ""
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    timeout_seconds: float = 120.0
    max_output_tokens: int | None = None
    allowed_local_hosts: frozenset[str] = frozenset()
    allowed_providers: frozenset[str] = frozenset()
