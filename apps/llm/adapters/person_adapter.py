"""A person plays the model: the loop stops here, holds no worker, and goes on with what the person answers."""

from __future__ import annotations

from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.types import Embeddings, Message, ModelConfig, ToolSpec, Waiting


def complete(config: ModelConfig, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Waiting:
    return Waiting(reason="Somebody plays the model: the next call is chosen on the task's page.")


def embed(config: ModelConfig, texts: tuple[str, ...]) -> Embeddings:
    raise ModelUnavailable(Failure.REFUSED, "A person gives no vectors. Choose an embedding model.")
