"""Expressions: what they may look like, what they give, and that nothing they ask for costs more than a moment."""

import os
import signal
import time

import pytest

from apps.core.cel import BadExpression, check_shape, evaluate, inspect, process
from apps.core.cel.grammar import MAX_CHARACTERS, check_names
from apps.core.cel.process import TOO_MUCH, EvaluatorAway

EVENT = {
    "type": "order.paid",
    "data": {
        "n": 3,
        "share": 0.5,
        "name": "Ada",
        "tags": ["a", "b"],
        "none": None,
        "big": list(range(5000)),
        "text": "x" * 20_000,
    },
}
LONGEST_SECONDS = 3.0  # a quarter of a second of processor time, and a new process, on a busy machine


def value_of(text: str) -> object:
    [answer] = evaluate([text], {"event": EVENT})
    assert answer.problem == ""
    return answer.value


def problem_of(text: str) -> str:
    [answer] = evaluate([text], {"event": EVENT})
    return answer.problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("event.data.n == 3", True),
        ("event.data.n > 3 || event.data.name.startsWith('A')", True),
        ("has(event.data.missing)", False),
        ("has(event.data.missing) && event.data.missing > 3", False),
        ("event.data.tags.exists(t, t == 'b')", True),
        ("event.data.tags.map(t, t + '!')", ["a!", "b!"]),
        ("event.data.none == null", True),
        ("event.data.n", 3),
        ("event.data.share", 0.5),
        ("'a constant'", "a constant"),
        ("{'a': [1, 2.5, true, null]}", {"a": [1, 2.5, True, None]}),
        ("event.data.name in ['Ada', 'Bob'] ? 'known' : 'unknown'", "known"),
        ("timestamp('2026-01-02T03:04:05Z')", "2026-01-02T03:04:05+00:00"),
        ("size(event.data.big)", 5000),
    ],
)
def test_an_expression_gives_what_it_says(text: str, value: object) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


@pytest.mark.parametrize("text", ["event.data.missing", "event.data.n + 'a'", "nobody.knows", "1 / 0", "event.data.tags[7]"])
def test_what_goes_wrong_is_told_and_the_next_is_answered(text: str) -> None:
    assert problem_of(text) not in ("", TOO_MUCH)
    assert value_of("1 + 1") == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("event.data.total >", "Line 1, character 19: it ends too early."),
        ("1 +\n* 2", "Line 2, character 1: “*” does not fit here."),
        ("event..data", "Line 1, character 7: “..” does not fit here."),
        ("event.data.n = 4", "Line 1, character 14: “=” does not fit here."),
        ("import os", "Line 1, character 1: “import” is a word of the language's own."),
        ("'open", "Line 1, character 1: “'open” does not fit here."),
        ("a ? b", "Line 1, character 1: a part of it is missing."),
    ],
)
def test_what_is_no_expression_is_told_with_its_place(text: str, sentence: str) -> None:
    [answer] = inspect([text])
    assert answer.problem == sentence


def test_what_an_expression_meets_is_told_in_words() -> None:
    assert problem_of("event.data.missing") == "There is no 'missing' in it. Ask with has(…) first."
    assert problem_of("event.data.n + 'a'").startswith("Values of different kinds meet")


HOSTILE = {
    "a list in a list in a list": "event.data.big.map(a, event.data.big.map(b, event.data.big.map(c, a + b + c)))",
    "nothing is ever true": "event.data.big.all(a, event.data.big.all(b, event.data.big.all(c, a + b + c >= 0)))",
    "text that grows": "event.data.big.map(a, event.data.text + event.data.text + event.data.text + event.data.text)",
    "lists that grow": "event.data.big.map(a, event.data.big + event.data.big).map(b, b + b + b + b)",
    "an automaton that explodes": "event.data.text.matches('(x+x+)+y')",
    "a counted automaton": "event.data.text.matches('((((x{1,99}){1,99}){1,99}){1,99})y')",
    "signs without end": "-" * 900 + "1",
    "denials without end": "!" * 900 + "true",
    "brackets at the bound": "(" * 16 + "1" + ")" * 16,
    "members without end": "event" + ".data" * 190,
    "questions without end": "true ? 1 : " * 80 + "2",
    "sums without end": "1" + "+1" * 490,
    "numbers beyond all": "9223372036854775807 + 1",
    "a repeated text": "event.data.big.map(a, string(event.data.big))",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_expression_ends_at_once_and_costs_the_next_nothing(name: str) -> None:
    began = time.monotonic()
    evaluate([HOSTILE[name]], {"event": EVENT})
    inspect([HOSTILE[name]])
    assert time.monotonic() - began < LONGEST_SECONDS
    assert value_of("event.data.n") == 3


def test_what_takes_too_much_says_so() -> None:
    assert problem_of(HOSTILE["a list in a list in a list"]) == TOO_MUCH


def test_a_child_that_was_ended_is_started_again() -> None:
    assert value_of("1") == 1
    child = process._evaluator._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert value_of("2") == 2


def test_a_child_that_breaks_is_no_verdict_on_the_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = process._Evaluator()
    monkeypatch.setattr(process, "_evaluator", broken)
    monkeypatch.setattr(
        process, "_COMMAND", [process.sys.executable, "-c", "import sys; print('\"ready\"', flush=True); sys.exit(3)"]
    )
    with pytest.raises(EvaluatorAway):
        evaluate(["1"], {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1" * (MAX_CHARACTERS + 1), "1000 characters"),
        ("(" * 17 + "1" + ")" * 17, "16 deep"),
        ("[1].map(a, [1].map(b, [1].map(c, [1].map(d, a))))", "3 times"),
        ("'\x00'", "NUL"),
    ],
)
def test_what_is_too_large_is_never_given_to_the_parser(text: str, words: str) -> None:
    with pytest.raises(BadExpression, match=words):
        check_shape(text)


def test_brackets_inside_a_text_are_no_depth() -> None:
    check_shape("'" + "(" * 100 + "' == \"" + "[" * 100 + '"')


@pytest.mark.parametrize("text", ["__class__", "settings.SECRET_KEY", "events.data.n", "event.map(x, y)"])
def test_an_expression_reads_the_event_and_nothing_else(text: str) -> None:
    [answer] = inspect([text])
    with pytest.raises(BadExpression, match="There is no"):
        check_names(text, answer.value, known=["event"], such_as="event.data")


def test_names_that_a_loop_binds_are_its_own() -> None:
    text = "event.data.tags.all(t, t.startsWith('a')) && event.data.tags.exists( other , other == 'b')"
    [answer] = inspect([text])
    check_names(text, answer.value, known=["event"], such_as="event.data")


@pytest.mark.parametrize("text", ["event.__class__", "event.data.__class__.__mro__", "event.data.name.__init__.__globals__"])
def test_python_is_not_behind_it(text: str) -> None:
    assert problem_of(text)
