"""Reads a conversation back into facts: the task, what is there, what was called and what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

from apps.llm.observations import ObservedFile, Opening
from apps.llm.types import Message, ToolCall


@dataclass(frozen=True)
class Observed:
    """One tool call and what came of it. `data` is empty when the observation is no JSON object."""

    call: ToolCall
    text: str

    @cached_property
    def data(self) -> dict[str, Any]:
        try:
            data = json.loads(self.text)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    @property
    def error(self) -> dict[str, Any]:
        return self.data.get("error") or {}


@dataclass(frozen=True)
class Conversation:
    opening: Opening
    observed: tuple[Observed, ...]
    turns: int  # how often the model has spoken

    @classmethod
    def read(cls, messages: Sequence[Message]) -> Conversation:
        first = next((message for message in messages if message.role == "user"), None)
        opening = Opening.from_message(first) if first else Opening(prompt="")
        turns = sum(message.role == "assistant" for message in messages)
        return cls(opening, tuple(_observations(messages)), turns)

    @property
    def last(self) -> Observed | None:
        return self.observed[-1] if self.observed else None

    @property
    def runs(self) -> int:
        """How often a tool was run so far."""
        return sum(step.call.name == "run_tool" for step in self.observed)

    def files_like(self, pattern: str) -> list[ObservedFile]:
        return [file for file in self.opening.files if fnmatch(file["name"].lower(), pattern.lower())]

    def packages_in_state(self, state: str) -> frozenset[str]:
        """Names of the packages whose requests ended so; `ready` includes what was granted before the task."""
        requests = [step.data for step in self.observed if step.call.name == "request_package"]
        asked = [name for data in requests if data.get("state") == state for name in data.get("requirements", ())]
        before = self.opening.packages if state == "ready" else ()
        return frozenset(project_name(requirement) for requirement in (*before, *asked))


def project_name(requirement: str) -> str:
    """`Markdown[extra]==3.7` → `markdown`, by the rule that the Python packaging specifications give for names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]).lower()


def _observations(messages: Sequence[Message]) -> Iterator[Observed]:
    calls = {call.id: call for message in messages for call in message.tool_calls}
    for message in messages:
        if message.role == "tool" and message.tool_call_id in calls:
            yield Observed(calls[message.tool_call_id], message.content)
