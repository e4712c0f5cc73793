"""How the world is told to a model, and read back by scripts (ADR 0008). One writer and one reader, so they agree.

The agent loop builds its messages with these functions; it must not invent another shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from apps.llm.types import Message, ToolCall

# Whatever follows the last such line is JSON on one line. JSON escapes line ends, so a prompt or a file cannot forge it.
MARK = "\n\nWhat is there, as JSON:\n"


class ObservedFile(TypedDict):
    name: str
    size: int  # bytes
    head: str  # first lines


class ObservedFunction(TypedDict):
    name: str
    description: str


class ObservedError(TypedDict):
    type: str
    message: str
    traceback: str


class RunObservation(TypedDict):
    """After run_tool."""

    tool: str
    attempt: int  # how often a tool was run in this task, this one included
    state: str  # of the run: succeeded, failed, timed_out, …
    result: Any
    error: ObservedError | None
    artifacts: list[str]
    output: str  # the last lines of what it printed


class PackageObservation(TypedDict):
    """After request_package, once people and the build have decided."""

    requirements: list[str]
    state: str  # ready, rejected, failed
    reason: str


class GrantObservation(TypedDict):
    """After request_host and request_secret, once people have decided."""

    tool: str
    hosts: list[str]  # all that the tool may now reach, or asked for
    secrets: list[str]
    state: str  # granted, rejected, failed
    reason: str


class ToolObservation(TypedDict):
    """After create_or_update_tool. With problems nothing was stored and version is None."""

    tool: str
    version: int | None
    problems: list[str]


class OtherObservation(TypedDict):
    """After find_function (functions), ask_person (answer), save_artifact (artifact), or a call that was refused (problem)."""

    functions: NotRequired[list[ObservedFunction]]
    answer: NotRequired[str]
    artifact: NotRequired[str]
    problem: NotRequired[str]


Observation = RunObservation | PackageObservation | GrantObservation | ToolObservation | OtherObservation


@dataclass(frozen=True, slots=True)
class Opening:
    """The task as the model first hears it."""

    prompt: str
    files: tuple[ObservedFile, ...] = ()
    functions: tuple[ObservedFunction, ...] = ()
    packages: tuple[str, ...] = ()  # requirements that are granted already
    secrets: tuple[str, ...] = ()  # names of those that may be asked for

    def to_message(self) -> Message:
        there = {"files": self.files, "functions": self.functions, "packages": self.packages, "secrets": self.secrets}
        return Message(role="user", content=self.prompt + MARK + json.dumps(there, ensure_ascii=False))

    @classmethod
    def from_message(cls, message: Message) -> Opening:
        """Reads what to_message wrote; a message without the JSON is a prompt and nothing else."""
        prompt, mark, text = message.content.rpartition(MARK)
        if not mark:
            return cls(prompt=message.content)
        there = json.loads(text)
        named = {name: tuple(there.get(name, ())) for name in ("files", "functions", "packages", "secrets")}
        return cls(prompt, **named)


def observation_message(call: ToolCall, observation: Observation) -> Message:
    """What came of a call, as the tool's answer to the model."""
    return Message(role="tool", content=json.dumps(observation, ensure_ascii=False), tool_call_id=call.id)
