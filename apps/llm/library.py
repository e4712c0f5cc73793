"""The prepared scripts that come with Selfsmith, and the choice among them by a task's prompt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from apps.llm.conversation import Conversation
from apps.llm.script import Script, nothing_prepared, read_script
from apps.llm.types import Message, Reply

SCRIPTS = files("apps.llm") / "scripts"


@cache
def prepared_scripts() -> tuple[Script, ...]:
    """All of them by name, the gallery's order being the caller's. Raises: ScriptError."""
    sources = sorted((entry for entry in SCRIPTS.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return tuple(read_script(entry.read_text(encoding="utf-8")) for entry in sources)


def sample_of(script: Script) -> bytes:
    """The file to try a script on. Raises: FileNotFoundError when the script has none."""
    return (SCRIPTS / "samples" / script.sample).read_bytes()


def play(scripts: Sequence[Script], messages: Sequence[Message]) -> Reply:
    """The prepared reply to a conversation. A pure function of it, so a call that is repeated after a crash is the same."""
    conversation = Conversation.read(messages)
    script = next((script for script in scripts if script.is_for(conversation.opening.prompt)), None)
    if script is not None:
        return script.reply(conversation)
    titles = "; ".join(script.title for script in scripts)
    return nothing_prepared(
        f"Replies are prepared for these tasks only: {titles}. For a task of your own, add a language model"
        " on the models page, or choose the model that a person plays."
    )
