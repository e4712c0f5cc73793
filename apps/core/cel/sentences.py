"""What the evaluator says of an expression, in words for whoever wrote it."""

import re

_PLACE = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_AT = re.compile(r"(?:input|error at:) '(.+?)'(?: |$)")
_RESERVED = "reserved identifier: "
_KINDS = (
    "Values of different kinds meet in it, such as a text and a number, or a whole number and one with a point. "
    "Convert one of them: int(…), double(…) or string(…)."
)


def in_words(problem: str) -> str:
    """One or two sentences. What is not known here is told as the evaluator says it."""
    if problem.startswith("No such overload"):
        return _KINDS
    place = _PLACE.search(problem)
    if place is None:
        return problem
    line, column, what = place.groups()
    return f"Line {line}, character {column}: {_what(what)}."


def _what(said: str) -> str:
    if said.startswith("Incomplete"):
        return "a part of it is missing"
    if said.startswith(_RESERVED):
        return f"“{said.removeprefix(_RESERVED)}” is a word of the language's own"
    at = _AT.search(said)
    if at is None:
        return said
    return "it ends too early" if at[1] == "<EOF>" else f"“{at[1].strip()}” does not fit here"
