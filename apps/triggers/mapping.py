"""From an event to the arguments of a function: each argument has an expression, which may be a constant."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.core import cel
from apps.core.cel import Answer, BadExpression, check_names, check_shape, evaluate, inspect
from apps.core.errors import Invalid
from apps.functions.arguments import ArgumentsInvalid, validate_arguments

MAX_ARGUMENTS = 50
CONDITION = "condition"
HANDED_TO_HANDLER = "event"
"""The one argument of an error handler: the event that tells of the failure, as an object."""


class ExpressionsInvalid(Invalid):
    """Expressions of a rule are wrong; `details["fields"]` maps "condition" or an argument's name to a sentence."""

    code = "expressions_invalid"

    def __init__(self, fields: Mapping[str, str]) -> None:
        told = " ".join(f"{_shown(name)}: {sentence}" for name, sentence in list(fields.items())[:3])
        super().__init__(told, fields=dict(fields))
        self.fields = dict(fields)


def check_expressions(condition: str, arguments: Mapping[str, str], schema: Mapping[str, Any]) -> None:
    """Check what a rule says before it is stored: shape, grammar, names, and the arguments against the target's schema.

    Constants are compared with their argument's type now; what an event decides is compared when it comes.

    Raises:
        ExpressionsInvalid, cel.process.EvaluatorAway
    """
    texts = {**({CONDITION: condition} if condition else {}), **{f".{name}": text for name, text in arguments.items()}}
    problems = {name: problem for name, text in texts.items() if (problem := _shape_problem(text))}
    if len(arguments) > MAX_ARGUMENTS:
        problems[CONDITION] = f"A rule may give {MAX_ARGUMENTS} arguments."
    if not problems:
        found = dict(zip(texts, inspect(list(texts.values())), strict=True))
        problems = {name: problem for name, answer in found.items() if (problem := _name_problem(texts[name], answer))}
        if not problems:
            constants = [name for name in arguments if not found[f".{name}"].value]
            problems = _argument_problems(arguments, constants, schema)
    if problems:
        raise ExpressionsInvalid({name.removeprefix("."): sentence for name, sentence in problems.items()})


def holds(condition: str, event: dict[str, Any]) -> bool:
    """Whether the condition holds for an event. An empty one always does.

    Raises:
        cel.ConditionUnclear, cel.process.EvaluatorAway
    """
    return not condition or cel.holds(condition, {"event": event}, such_as='event.data.state == "failed"')


def arguments_for(arguments: Mapping[str, str], event: dict[str, Any]) -> dict[str, Any]:
    """The arguments that a rule gives its target for an event.

    Raises:
        ExpressionsInvalid, cel.process.EvaluatorAway
    """
    answers = dict(zip(arguments, evaluate(list(arguments.values()), {"event": event}), strict=True))
    if problems := {name: answer.problem for name, answer in answers.items() if answer.problem}:
        raise ExpressionsInvalid(problems)
    return {name: answer.value for name, answer in answers.items()}


def check_handler(schema: Mapping[str, Any]) -> None:
    """Whether a function can handle errors: it takes an argument `event` and needs no other.

    Raises:
        ExpressionsInvalid
    """
    needed = set(schema.get("required", [])) - {HANDED_TO_HANDLER}
    if HANDED_TO_HANDLER not in schema.get("properties", {}) or needed:
        raise ExpressionsInvalid(
            {"error_handler": "An error handler takes one argument, `event: dict`: the event that tells what failed."}
        )


def _shape_problem(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        return 'An expression is missing. A text stands in quotes: "like this".'
    try:
        check_shape(text)
    except BadExpression as problem:
        return problem.message
    return ""


def _name_problem(text: str, answer: Answer) -> str:
    if answer.problem:
        return f"This is no expression. {answer.problem}"
    try:
        check_names(text, answer.value, known=["event"], such_as="event.data")
    except BadExpression as problem:
        return problem.message
    return ""


def _argument_problems(arguments: Mapping[str, str], constants: Sequence[str], schema: Mapping[str, Any]) -> dict[str, str]:
    """What the target's schema says of the names, and of the values that no event changes."""
    answers = dict(zip(constants, evaluate([arguments[name] for name in constants], {}), strict=True))
    if problems := {f".{name}": answer.problem for name, answer in answers.items() if answer.problem}:
        return problems
    values = {name: answer.value for name, answer in answers.items()}
    try:
        validate_arguments(schema, {**dict.fromkeys(arguments), **values})
    except ArgumentsInvalid as refusal:
        later = {name for name in arguments if name not in values and name in schema.get("properties", {})}
        return {f".{path}": text for path, text in refusal.fields.items() if path.partition(".")[0] not in later}
    return {}


def _shown(name: str) -> str:
    return "The condition" if name == CONDITION else f"“{name[:60]}”"
