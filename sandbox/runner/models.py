"""How a tool asks the language models of its workspace. No key comes into the box: the host asks, and counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .line import Line

COMPLETE, EMBED = "models.complete", "models.embed"
TEXTS_AT_ONCE = 64


class ModelUnavailable(RuntimeError):
    """The model gave no reply that can be used; says why. `may_pass`: another try may go better."""

    def __init__(self, message: str, *, may_pass: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.may_pass, self.retry_after = may_pass, retry_after


@dataclass(frozen=True)
class Reply:
    """What a model answered. `tool_calls`: what it wants called, each {"id", "name", "arguments"}; nothing was called yet."""

    text: str
    tool_calls: list[dict[str, Any]]
    model: str
    input_tokens: int
    output_tokens: int

    def as_message(self) -> dict[str, Any]:
        """This reply as the assistant's turn, to go on with the conversation."""
        return {"role": "assistant", "content": self.text, "tool_calls": self.tool_calls}


class Models:
    """The two members of `func` that ask models."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def complete(
        self,
        prompt: str | Sequence[Mapping[str, Any]],
        *,
        system: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        model: str = "",
        max_tokens: int | None = None,
    ) -> Reply:
        """Ask a language model of the workspace once, and wait for its reply.

        `prompt` is a text, or messages {"role", "content"} of a conversation. `tools`: what the model may wish to be called,
        each {"name", "description", "parameters": JSON Schema}. `model` is a name of the page Models; the default one without.

        Raises: ModelUnavailable; HostRefused without the right to ask, and when the budget of the run is used up.
        """
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [dict(each) for each in prompt]
        if system:
            messages.insert(0, {"role": "system", "content": system})
        asked = {"messages": messages, "tools": [dict(each) for each in tools], "model": model, "max_tokens": max_tokens}
        return Reply(**self._ask(COMPLETE, asked))

    def embed(self, texts: str | Sequence[str], *, model: str = "") -> Any:
        """The vector of a text, or the vectors of several in their order: texts that mean the like lie close together.

        Raises: as complete.
        """
        if isinstance(texts, str):
            return self.embed([texts], model=model)[0]
        told = (self._ask(EMBED, {"texts": batch, "model": model}) for batch in _batches(list(texts)))
        return [vector for each in told for vector in each["vectors"]]

    def _ask(self, verb: str, asked: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = self._line.ask(verb, asked)
        if "unavailable" in told:
            raise ModelUnavailable(told["unavailable"], may_pass=told["may_pass"], retry_after=told["retry_after"])
        return told


def _batches(texts: list[str]) -> Iterator[list[str]]:
    return (texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE))
