"""One file per kind of model. To add one: write the file, name it here (docs/how-to/add-a-model-provider.md)."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from apps.llm.types import Embeddings, Message, ModelConfig, Reply, ToolSpec, Waiting

# Dotted paths, not imports: litellm takes 5.7 s and 191 MiB to import, and most processes never call a model.
ADAPTERS = {
    "litellm": "apps.llm.adapters.litellm_adapter",
    "scripted": "apps.llm.adapters.scripted_adapter",
    "person": "apps.llm.adapters.person_adapter",
}


class Adapter(Protocol):
    def complete(self, config: ModelConfig, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Reply | Waiting:
        """Ask once. Raises: ModelUnavailable, and nothing else that the model or the network could cause."""

    def embed(self, config: ModelConfig, texts: tuple[str, ...]) -> Embeddings:
        """The texts' vectors, one for each. Raises: as complete."""


def adapter_of(kind: str) -> Adapter:
    """The adapter module for a kind. Raises: KeyError for a kind that is not registered."""
    return cast(Adapter, import_module(ADAPTERS[kind]))
