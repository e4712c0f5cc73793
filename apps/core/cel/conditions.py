"""Expressions that say yes or no."""

from collections.abc import Mapping, Sequence
from typing import Any

from apps.core.cel.grammar import BadExpression, check_names, check_shape
from apps.core.cel.process import evaluate, inspect
from apps.core.errors import Invalid


class ConditionUnclear(Invalid):
    """The condition gives neither true nor false for these values."""

    code = "condition_unclear"


def check_condition(text: str, *, known: Sequence[str], such_as: str) -> None:
    """Refuse a condition before it is stored; see `grammar.check_names` for the names. What it gives, only values tell.

    Raises:
        BadExpression, EvaluatorAway
    """
    check_shape(text)
    [answer] = inspect([text])
    if answer.problem:
        raise BadExpression(f"This is no expression. {answer.problem}")
    check_names(text, answer.value, known=known, such_as=such_as)


def holds(condition: str, values: Mapping[str, Any], *, such_as: str) -> bool:
    """Whether a condition holds. `such_as`: one that compares something, for the sentence that asks for it.

    Raises:
        ConditionUnclear, EvaluatorAway
    """
    [answer] = evaluate([condition], values)
    if answer.problem:
        raise ConditionUnclear(f"The condition cannot be decided: {answer.problem}")
    if not isinstance(answer.value, bool):
        raise ConditionUnclear(f"The condition gives neither true nor false. Compare something: {such_as}.")
    return answer.value
