"""Prepared replies that branch on real observations; one format for the scripted model and the scripted server.

A script is a YAML mapping:

    name, title     the script; the title is shown in the gallery
    prompt          the task as the gallery proposes it
    answers         a regular expression; the script plays tasks whose prompt it is found in
    files           a pattern such as "*.md"; the first file that fits is ${file}
    sample          optional: a file in scripts/samples/ to try it on
    sources         optional: named texts, mostly source code, or lists of texts that are joined; put in by
                    ${source.NAME} and never expanded themselves
    rules           a list; the first rule that fits the conversation gives the reply

A rule has a `name`, a `when` (see CONDITIONS; all of them must hold), `say` and `call`, a mapping of one tool's name to
its arguments. Texts may hold ${…}: file, stem, files, runs, prompt, source.NAME, or a path into the last observation
such as ${error.message}. A text that is one placeholder and nothing else becomes the value itself. No rule, or no such
value: the reply says that none is prepared. Nothing here may guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import yaml

from apps.llm.conversation import Conversation, project_name
from apps.llm.types import Reply, ToolCall

START = "start"
PLACEHOLDER = re.compile(r"\$\{([a-z_]+(?:\.\w+)*)\}")


class ScriptError(ValueError):
    """A script that cannot be read. Its text names the script and the place."""


class MissingValueError(LookupError):
    """A reply that wants a value which nothing has shown."""


def _came_after(conversation: Conversation, tool: str) -> bool:
    return tool == (conversation.last.call.name if conversation.last else START)


def _last_has(key: str) -> Callable[[Conversation, Any], bool]:
    return lambda conversation, value: conversation.last is not None and conversation.last.data.get(key) == value


def _error_has(key: str) -> Callable[[Conversation, str], bool]:
    return lambda conversation, text: text in str(conversation.last.error.get(key, "") if conversation.last else "")


def _said(conversation: Conversation, text: str) -> bool:
    return conversation.last is not None and text in conversation.last.text


CONDITIONS: dict[str, Callable[[Conversation, Any], bool]] = {
    "after": _came_after,  # the last tool that was called, or "start"
    "state": _last_has("state"),  # of the last observation
    "tool": _last_has("tool"),  # the tool that the last observation is about
    "problems": lambda talk, wanted: bool(talk.last and talk.last.data.get("problems")) is wanted,
    "traceback": _error_has("traceback"),  # text in the traceback that was just read
    "error_type": _error_has("type"),
    "says": _said,  # text anywhere in the last observation
    "runs": lambda talk, count: talk.runs == count,  # how often a tool was run so far
    "granted": lambda talk, name: project_name(name) in talk.packages_in_state("ready"),
    "rejected": lambda talk, name: project_name(name) in talk.packages_in_state("rejected"),
    "file": lambda talk, pattern: bool(talk.files_like(pattern)),
    "no_file": lambda talk, pattern: not talk.files_like(pattern),
}


@dataclass(frozen=True)
class Rule:
    name: str
    when: Mapping[str, Any]
    say: str
    call: Mapping[str, Mapping[str, Any]]

    def fits(self, conversation: Conversation) -> bool:
        return all(CONDITIONS[key](conversation, value) for key, value in self.when.items())


@dataclass(frozen=True)
class Script:
    name: str
    title: str
    prompt: str
    answers: str
    files: str
    sample: str
    sources: Mapping[str, str]
    rules: tuple[Rule, ...]

    def is_for(self, prompt: str) -> bool:
        return re.search(self.answers, prompt, re.IGNORECASE | re.DOTALL) is not None

    def reply(self, conversation: Conversation) -> Reply:
        """The reply of the first rule that fits."""
        rule = next((rule for rule in self.rules if rule.fits(conversation)), None)
        if rule is None:
            return nothing_prepared(f"The script {self.name} has no reply for what was just observed.")
        values = self._values(conversation)
        try:
            calls = tuple(
                ToolCall(id=f"scripted_{conversation.turns}_{number}", name=tool, arguments=expand(arguments, values))
                for number, (tool, arguments) in enumerate(rule.call.items())
            )
            return Reply(text=expand(rule.say, values), tool_calls=calls)
        except MissingValueError as missing:
            return nothing_prepared(f"The reply {rule.name!r} of {self.name} wants {missing}, which nothing has shown.")

    def _values(self, conversation: Conversation) -> dict[str, Any]:
        names = [file["name"] for file in conversation.files_like(self.files)]
        known: dict[str, Any] = {
            "prompt": conversation.opening.prompt,
            "files": names,
            "runs": conversation.runs,
            "source": self.sources,
        }
        if names:
            known |= {"file": names[0], "stem": PurePath(names[0]).stem}
        return {**(conversation.last.data if conversation.last else {}), **known}


def nothing_prepared(reason: str) -> Reply:
    """The honest end of a script. It calls nothing, so a task that hears it cannot go on and fails."""
    return Reply(text=f"No prepared reply. {reason}", problem=reason)


def expand(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its placeholders filled in. Raises: MissingValueError."""
    if isinstance(template, Mapping):
        return {key: expand(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [expand(value, values) for value in template]
    if not isinstance(template, str):
        return template
    whole = PLACEHOLDER.fullmatch(template)
    if whole:
        return _look_up(whole[1], values)
    return PLACEHOLDER.sub(lambda match: str(_look_up(match[1], values)), template)


def _look_up(path: str, values: Mapping[str, Any]) -> Any:
    value: Any = values
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise MissingValueError(path)
    return value


def read_script(text: str) -> Script:
    """Raises: ScriptError."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScriptError(f"The script is not YAML: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        raise ScriptError("A script is a mapping with a name.")
    _check_keys(data, {"name", "title", "prompt", "answers", "files", "rules"}, {"sample", "sources"}, data["name"])
    _check_pattern(data)
    return Script(
        name=data["name"],
        title=data["title"],
        prompt=data["prompt"].strip(),
        answers=data["answers"],
        files=data["files"],
        sample=data.get("sample", ""),
        sources={name: _joined(text) for name, text in data.get("sources", {}).items()},
        rules=tuple(_read_rule(rule, data["name"]) for rule in data["rules"]),
    )


def _read_rule(data: Any, script: str) -> Rule:
    place = f"{script}, rule {data.get('name')!r}" if isinstance(data, Mapping) else f"{script}, a rule"
    _check_keys(data, {"name", "when", "say"}, {"call"}, place)
    _check_keys(data["when"], set(), set(CONDITIONS), place)
    if not isinstance(data["say"], str):
        raise ScriptError(f"{place}: what it says must be a text; YAML takes yes, no and numbers for other things.")
    return Rule(data["name"], data["when"], data["say"].strip(), data.get("call", {}))


def _joined(text: str | list[str]) -> str:
    """Parts of source code stand two empty lines apart."""
    return "\n\n".join(text) if isinstance(text, list) else text


def _check_keys(data: Any, needed: set[str], allowed: set[str], place: str) -> None:
    if not isinstance(data, Mapping):
        raise ScriptError(f"{place}: a mapping is wanted here.")
    if missing := needed - set(data):
        raise ScriptError(f"{place}: {', '.join(sorted(missing))} is missing.")
    if unknown := set(data) - needed - allowed:
        raise ScriptError(f"{place}: {', '.join(sorted(unknown))} is not known.")


def _check_pattern(data: dict[str, Any]) -> None:
    try:
        re.compile(data["answers"])
    except re.error as error:
        raise ScriptError(f"{data['name']}: answers is no regular expression: {error}") from error
