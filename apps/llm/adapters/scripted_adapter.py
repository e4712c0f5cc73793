"""The scripted model: prepared replies, no model is called and nothing leaves the process."""

from __future__ import annotations

from apps.llm.errors import Failure, ModelUnavailable
from apps.llm.hashed_words import vector_of
from apps.llm.library import play, prepared_scripts
from apps.llm.types import Embeddings, Message, ModelConfig, Reply, ToolSpec


def complete(config: ModelConfig, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Reply:
    """`config.model` names one script, or is empty for all of them, chosen by the task's prompt."""
    scripts = tuple(script for script in prepared_scripts() if config.model in ("", script.name))
    if not scripts:
        raise ModelUnavailable(Failure.NO_SUCH_MODEL, f"There is no script {config.model!r}.")
    return play(scripts, messages)


def embed(config: ModelConfig, texts: tuple[str, ...]) -> Embeddings:
    """Counted words: no model is called here either."""
    return Embeddings(tuple(vector_of(text) for text in texts))
