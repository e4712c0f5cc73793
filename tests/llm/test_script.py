"""The script format."""

import pytest

from apps.llm.conversation import Conversation
from apps.llm.observations import Opening, observation_message
from apps.llm.script import Script, ScriptError, read_script
from apps.llm.types import Message, ToolCall

HEAD = "name: trial\ntitle: Trial\nprompt: Try it.\nanswers: try\nfiles: '*.txt'\nsources: {code: 'a ${file} b', parts: [x, y]}\n"
FILES = ({"name": "a.txt", "size": 1, "head": ""},)


def script(rules: str) -> Script:
    return read_script(f"{HEAD}rules:\n{rules}")


def conversation(*observed: tuple[str, dict[str, object]]) -> Conversation:
    messages = [Opening("Try it.", FILES, (), ("Known.Package==1",)).to_message()]
    for number, (tool, data) in enumerate(observed):
        call = ToolCall(str(number), tool, {})
        messages += [Message("assistant", "", (call,)), observation_message(call, data)]  # type: ignore[arg-type]
    return Conversation.read(messages)


def test_the_first_rule_that_fits_answers() -> None:
    rules = script("- {name: a, when: {after: run_tool}, say: never}\n- {name: b, when: {after: start}, say: yes it is}\n")
    assert rules.reply(conversation()).text == "yes it is"


def test_without_a_fitting_rule_the_reply_says_so_and_calls_nothing() -> None:
    reply = script("- {name: a, when: {after: run_tool}, say: never}\n").reply(conversation())
    assert reply.problem
    assert reply.tool_calls == ()


def test_a_value_that_nothing_has_shown_is_a_problem_not_a_guess() -> None:
    reply = script("- {name: a, when: {}, say: '${error.message}', call: {run_tool: {}}}\n").reply(conversation())
    assert "error.message" in (reply.problem or "")
    assert reply.tool_calls == ()


def test_values_are_put_in_and_whole_placeholders_keep_their_type() -> None:
    rules = script("- {name: a, when: {}, say: 'on ${file}: ${error.message}', call: {t: {n: '${runs}', e: ['${error}']}}}\n")
    reply = rules.reply(conversation(("run_tool", {"error": {"message": "gone"}})))
    assert reply.text == "on a.txt: gone"
    assert reply.tool_calls[0].arguments == {"n": 1, "e": [{"message": "gone"}]}


def test_sources_and_observed_texts_are_not_expanded_themselves() -> None:
    rules = script("- {name: a, when: {}, say: '${result}', call: {t: {s: '${source.code}', p: '${source.parts}'}}}\n")
    reply = rules.reply(conversation(("run_tool", {"result": "${prompt}"})))
    assert reply.text == "${prompt}"
    assert reply.tool_calls[0].arguments == {"s": "a ${file} b", "p": "x\n\ny"}


RUN = ("run_tool", {"tool": "t", "state": "failed", "error": {"type": "KeyError", "message": "m", "traceback": "line 3"}})
REJECTED = ("request_package", {"requirements": ["Pillow>=10"], "state": "rejected", "reason": "no"})
READY = ("request_package", {"requirements": ["Pillow>=10"], "state": "ready", "reason": ""})


@pytest.mark.parametrize(
    ("when", "observed", "fits"),
    [
        ("{after: start}", [], True),
        ("{after: start}", [RUN], False),
        ("{after: run_tool, state: failed, tool: t, runs: 1}", [RUN], True),
        ("{runs: 1}", [RUN, RUN], False),
        ("{traceback: line 3}", [RUN], True),
        ("{traceback: line 4}", [RUN], False),
        ("{traceback: line 3}", [RUN, READY], False),
        ("{error_type: KeyError}", [RUN], True),
        ("{says: KeyErr}", [RUN], True),
        ("{says: KeyErr}", [], False),
        ("{granted: known-package}", [], True),
        ("{granted: pillow}", [READY], True),
        ("{granted: pillow}", [REJECTED], False),
        ("{rejected: pillow}", [REJECTED], True),
        ("{rejected: known_package}", [REJECTED], False),
        ("{problems: true}", [("create_or_update_tool", {"problems": ["x"]})], True),
        ("{problems: false}", [("create_or_update_tool", {"problems": []})], True),
        ("{file: '*.txt', no_file: '*.md'}", [], True),
        ("{file: '*.md'}", [], False),
    ],
)
def test_conditions_look_at_what_was_really_observed(
    when: str, observed: list[tuple[str, dict[str, object]]], *, fits: bool
) -> None:
    reply = script(f"- {{name: a, when: {when}, say: it fits}}\n").reply(conversation(*observed))
    assert (reply.text == "it fits") is fits


def test_the_same_conversation_gives_the_same_reply() -> None:
    rules = script("- {name: a, when: {}, say: x, call: {t: {}}}\n")
    assert rules.reply(conversation(RUN)) == rules.reply(conversation(RUN))
    assert rules.reply(conversation(RUN)).tool_calls[0].id != rules.reply(conversation()).tool_calls[0].id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "a mapping with a name"),
        ("a: [", "not YAML"),
        ("name: x", "answers, files, prompt, rules, title is missing"),
        (HEAD + "rules: []\nextra: 1", "extra is not known"),
        (HEAD + "rules: [{name: a, when: {aftr: start}, say: x}]", "rule 'a': aftr is not known"),
        (HEAD + "rules: [{name: a, say: x}]", "when is missing"),
        (HEAD + "rules: [{name: a, when: {}, say: no}]", "must be a text"),
        (HEAD + "rules: [a]", "a mapping is wanted"),
        (HEAD + "rules: [{name: a, when: start, say: x}]", "a mapping is wanted"),
        (HEAD.replace("answers: try", "answers: '('") + "rules: []", "no regular expression"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_a_wrong_script_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ScriptError, match=said.replace("(", r"\(")):
        read_script(text)
