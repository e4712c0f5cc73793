"""Conditions and arguments of rules in the Common Expression Language, evaluated in a child process that can be ended.

`grammar` refuses what is too long or too deep before it is stored, `process` evaluates, `child` is what it starts.
"""

from apps.triggers.cel.grammar import BadExpression, check_shape
from apps.triggers.cel.process import Answer, evaluate, inspect

__all__ = ["Answer", "BadExpression", "check_shape", "evaluate", "inspect"]
