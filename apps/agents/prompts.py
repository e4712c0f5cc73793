"""What a model is told: its job, the tools it may call, and the conversation rebuilt from the stored steps."""

from collections.abc import Iterable
from typing import Any

from apps.agents.models import Step, StepState, Task
from apps.core import blobs
from apps.functions.models import Function
from apps.llm.observations import ObservedFile, ObservedFunction, Opening, observation_message
from apps.llm.types import Message, Reply, ToolSpec
from apps.packages.models import PackageSet
from apps.runs.models import Artifact
from apps.runs.services import input_name
from apps.vault.services import secret_names

HEAD_BYTES = 1500
LISTED_FUNCTIONS = 50

SYSTEM = """You work on a task for a person by writing small Python tools and running them. Observe, plan, act.
A tool is one Python function with type hints and a docstring, kept on a server and run in a sandbox without network.
A tool that must reach a web server gets its hosts by request_host, and a secret of the workspace (an environment variable in
the tool's process) by request_secret; a person reads the source and decides, and decides again when you change the source.
Inside it, files of the task lie in the folder inputs/ (func.read_input(name) gives bytes); func.save_artifact(name, data)
keeps a file for the person; print shows progress. Python 3.13, standard library. Other packages must be requested by
request_package and a person decides; when one is refused, find another way or say why there is none.
When a run fails, read its traceback, mend the tool and run it again. Call exactly one tool in each turn. When the task is
done, or cannot be done, call task_completed with a summary for the person: what was made, or why nothing was."""

NOTHING_SAID = "(no text)"  # some providers refuse a message without any
NUDGE = "Call exactly one of the tools. If the task is finished or impossible, call task_completed and say so."


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _tool(name: str, description: str, required: list[str], /, **properties: dict[str, Any]) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return ToolSpec(name, description, schema)


_NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
TOOLS: tuple[ToolSpec, ...] = (
    _tool("find_function", "Search the workspace's stored functions.", ["query"], query=_text("words to look for")),
    _tool(
        "create_or_update_tool",
        "Write a tool, or write it again. It is checked but not run.",
        ["name", "description", "source"],
        name=_text("the function's name"),
        description=_text("what it is for, one sentence"),
        source=_text("the whole Python source, with the function of that name in it"),
        requirements={**_NAMES, "description": "packages it imports, such as markdown or pandas>=2"},
        dependencies={**_NAMES, "description": "names of other functions that it calls by name"},
    ),
    _tool(
        "request_package",
        "Ask a person to let packages from the index in. You go on when it is decided.",
        ["requirements", "reason"],
        requirements={**_NAMES, "description": "names, with versions where it matters"},
        reason=_text("why the task needs them"),
    ),
    _tool(
        "request_host",
        "Ask a person to let a tool that you have written reach hosts, by HTTPS. You go on when it is decided.",
        ["tool", "hosts", "reason"],
        tool=_text("the tool's name"),
        hosts={**_NAMES, "description": "exact names such as api.example.org; with :80 for plain HTTP"},
        reason=_text("why the task needs them"),
    ),
    _tool(
        "request_secret",
        "Ask a person to give secrets of the workspace to a tool that you have written. You go on when it is decided.",
        ["tool", "secrets", "reason"],
        tool=_text("the tool's name"),
        secrets={**_NAMES, "description": "their names, as listed at the start"},
        reason=_text("why the task needs them"),
    ),
    _tool(
        "run_tool",
        "Run a tool or a stored function with arguments, on the task's files.",
        ["name", "arguments"],
        name=_text("the function's name"),
        arguments={"type": "object", "description": "by parameter name"},
    ),
    _tool("ask_person", "Ask the person who gave the task.", ["question"], question=_text("one clear question")),
    _tool(
        "save_artifact",
        "Keep a text as a file for the person.",
        ["name", "text"],
        name=_text("file name"),
        text=_text("content"),
    ),
    _tool("task_completed", "End the task.", ["summary"], summary=_text("what was made, or why nothing was")),
)


def conversation(task: Task) -> list[Message]:
    """Everything said so far, rebuilt from the rows: the same after a crash as before it."""
    messages = [Message("system", SYSTEM), Message.from_json(task.opening)]
    for step in task.steps.exclude(state=StepState.THINKING).order_by("number"):
        messages += _turn(step)
    return messages


def _turn(step: Step) -> Iterable[Message]:
    if step.reply is None:
        return
    reply = Reply.from_json(step.reply)
    if not reply.tool_calls:
        yield Message("assistant", reply.text or NOTHING_SAID)
        yield Message("user", f"{reply.problem}\n{NUDGE}" if reply.problem else NUDGE)
        return
    yield reply.as_message()
    if step.observation is not None:
        yield observation_message(reply.tool_calls[0], step.observation)


def opening_message(prompt: str, files: Iterable[Artifact]) -> Message:
    """The task as it stands at its start: prompt, files, functions of the library, packages that are granted.

    Stored on the task, so that a conversation never changes under a model.
    """
    functions = Function.objects.library().order_by("name")[:LISTED_FUNCTIONS]
    opening = Opening(
        prompt=prompt,
        files=tuple(_observed_file(file) for file in files),
        functions=tuple(ObservedFunction(name=f.name, description=f.description) for f in functions),
        packages=tuple(sorted({name for ready in PackageSet.objects.ready() for name in ready.requirements})),
        secrets=tuple(secret_names()),
    )
    return opening.to_message()


def _observed_file(file: Artifact) -> ObservedFile:
    with blobs.path_of(file.workspace_id, file.sha256).open("rb") as stream:
        head = stream.read(HEAD_BYTES).decode("utf-8", "replace")
    return ObservedFile(name=input_name(file), size=file.size, head=head)
