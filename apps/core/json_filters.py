"""A small closed grammar of conditions on JSON in a column, and the SQL that it becomes.

    {"status": "open", "age": {"$gte": 18}, "$or": [{"tags.0": "new"}, {"owner.name": {"$in": ["ada", "grace"]}}]}

All conditions of an object must hold. A path leads through objects by name and through lists by number; a comparison without
a path, as in {"$gt": 3}, is one with the whole. What is compared are JSON values: a number is less than numbers only, a text
than texts only. Nothing given here becomes SQL text.
"""

import json
from collections.abc import Callable
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, Expression, F, Func, JSONField, Q, TextField, Value

from apps.core.errors import Invalid
from apps.core.json_values import BadDocument, measure

MOST_CONDITIONS = 50
MOST_VALUES = 100  # of one $in
DEEPEST = 5  # $and and $or inside each other
MOST_STEPS = 10  # of one path
LONGEST_STEP = 200  # characters
_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class BadFilter(Invalid):
    code = "bad_filter"


def read_filter(given: Any, column: str = "value") -> Q:
    """The condition on a JSON column that a filter stands for.

    Raises: BadFilter with a sentence that says what is wrong.
    """
    return _Reader(column).all_of(given, 0)


class _Reader:
    """Reads one filter, and counts what it asks for."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._conditions = 0

    def all_of(self, given: Any, depth: int) -> Q:
        if not isinstance(given, dict):
            raise BadFilter('A filter is an object such as {"status": "open"}.')
        if depth > DEEPEST:
            raise BadFilter(f"$and and $or may stand {DEEPEST} deep.")
        found = Q()
        for name, wanted in given.items():
            found &= self._combined(name, wanted, depth) if name.startswith("$") else self._conditions_on(name, wanted)
        return found

    def _of_the_whole(self, name: str, operand: Any) -> Q:
        self._count(1)
        return Q(_condition(_infix("#>", F(self._column), _path([]), JSONField()), name, operand))

    def _count(self, conditions: int) -> None:
        self._conditions += conditions
        if self._conditions > MOST_CONDITIONS:
            raise BadFilter(f"A filter may have {MOST_CONDITIONS} conditions.")

    def _combined(self, name: str, wanted: Any, depth: int) -> Q:
        if name in _COMPARISONS or name in _OTHERS:
            return self._of_the_whole(name, wanted)
        if name not in ("$and", "$or") or not isinstance(wanted, list) or not wanted:
            raise BadFilter(f"“{name[:40]}” is not known here: $and and $or with a list of filters are.")
        parts = [self.all_of(each, depth + 1) for each in wanted]
        if name == "$or" and not all(parts):
            raise BadFilter("A filter inside $or is empty.")
        return Q(*parts) if name == "$and" else Q(*parts, _connector=Q.OR)

    def _conditions_on(self, path: str, wanted: Any) -> Q:
        place = _at(self._column, path)
        is_named = isinstance(wanted, dict) and any(name.startswith("$") for name in wanted)
        conditions = wanted if is_named else {"$eq": wanted}
        self._count(len(conditions))
        return Q(*(_condition(place, name, operand) for name, operand in conditions.items()))


def _condition(place: Func, name: str, operand: Any) -> Expression | Q:
    if name in _COMPARISONS:
        return _compared(place, _COMPARISONS[name], operand)
    if name in _OTHERS:
        return _OTHERS[name](place, operand)
    known = ", ".join([*_OTHERS, *_COMPARISONS])
    raise BadFilter(f"“{name[:40]}” is not known here: {known} are.")


def _compared(place: Func, sign: str, operand: Any) -> Q:
    if isinstance(operand, bool) or not isinstance(operand, int | float | str):
        raise BadFilter("$gt, $gte, $lt and $lte compare with a number or a text.")
    kind = Func(place, function="jsonb_typeof", output_field=TextField())
    if isinstance(operand, str):
        plain = _infix("#>>", place, _path([]), TextField())
        return Q(_infix("=", kind, Value("string")), _infix(sign, _bytewise(plain), _bytewise(Value(_text(operand)))))
    return Q(_infix("=", kind, Value("number")), _infix(sign, place, _json(operand)))


def _one_of(place: Func, operand: Any) -> Q:
    if not isinstance(operand, list) or not 0 < len(operand) <= MOST_VALUES:
        raise BadFilter(f"$in takes a list of 1 to {MOST_VALUES} values.")
    return Q(*(_infix("=", place, _json(each)) for each in operand), _connector=Q.OR)


def _exists(place: Func, operand: Any) -> Expression:
    if not isinstance(operand, bool):
        raise BadFilter("$exists takes true or false.")
    return Func(place, template=f"(%(expressions)s IS {'NOT ' if operand else ''}NULL)", output_field=BooleanField())


_OTHERS: dict[str, Callable[[Func, Any], Expression | Q]] = {
    "$eq": lambda place, operand: _infix("=", place, _json(operand)),
    "$ne": lambda place, operand: _infix("IS DISTINCT FROM", place, _json(operand)),
    "$in": _one_of,
    "$exists": _exists,
}


def _at(column: str, path: str) -> Func:
    """The part of the JSON to which a path leads; NULL where there is none."""
    steps = path.split(".")
    if len(steps) > MOST_STEPS or not all(0 < len(step) <= LONGEST_STEP for step in steps):
        raise BadFilter(f"“{path[:60]}” is no path such as owner.name: it has up to {MOST_STEPS} names, parted by dots.")
    return _infix("#>", F(column), _path([_text(step) for step in steps]), JSONField())


def _path(steps: list[str]) -> Value:
    return Value(steps, output_field=ArrayField(TextField()))


def _json(value: Any) -> Func:
    try:
        measure(value)
    except BadDocument as refusal:
        raise BadFilter(f"A filter compares with what no document can be. {refusal.message}") from refusal
    return Func(Value(json.dumps(value, ensure_ascii=False)), template="(%(expressions)s)::jsonb", output_field=JSONField())


def _text(text: str) -> str:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadFilter("A filter holds a character that no document has.")
    return text


def _bytewise(text: Expression) -> Func:
    return Func(text, template='(%(expressions)s)::text COLLATE "C"', output_field=TextField())


def _infix(operator: str, left: Any, right: Any, gives: Any = None) -> Func:
    """`operator` is one of this module's own."""
    return Func(left, right, template="(%(expressions)s)", arg_joiner=f" {operator} ", output_field=gives or BooleanField())
