"""What people state about data, in the Common Expression Language, evaluated in a child process that can be ended.

`grammar` refuses what is too long or too deep before it is stored, `process` evaluates, `child` is what it starts;
`conditions` are expressions that say yes or no.
"""

from apps.core.cel.conditions import ConditionUnclear, check_condition, holds
from apps.core.cel.grammar import BadExpression, check_names, check_shape
from apps.core.cel.process import Answer, evaluate, inspect

__all__ = [
    "Answer", "BadExpression", "ConditionUnclear", "check_condition", "check_names", "check_shape", "evaluate", "holds",
    "inspect",
]  # fmt: skip
