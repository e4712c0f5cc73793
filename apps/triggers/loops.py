"""Which rules may start one another in a circle, as far as can be told without running anything."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from uuid import UUID

from apps.functions.models import FunctionVersion
from apps.triggers.models import Rule
from apps.triggers.types import PLATFORM, RULE_FAILED, TOLD_BY_A_RUN

MOST_RULES = 2_000  # looked at; more rules than that get no warning for what lies beyond
_QUOTED = re.compile(r"""["']([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)["']""")


def find_loop(rule: Rule) -> list[str]:
    """The names of the rules on the shortest way from a rule back to itself; empty when there is none.

    A warning and no refusal: conditions may end what looks like a circle, and the limits of a chain end it in any case.
    """
    rules = [rule, *Rule.objects.filter(is_active=True).exclude(pk=rule.pk).order_by("id")[:MOST_RULES]]
    follow = _Followers(rules)
    came_from: dict[UUID, Rule] = {}
    line = [rule]
    while line:
        here = line.pop(0)
        for following in follow.of(here):
            if following.pk == rule.pk:
                return [each.name for each in _way_back(here, came_from)]
            if following.pk not in came_from:
                came_from[following.pk] = here
                line.append(following)
    return []


def _way_back(last: Rule, came_from: dict[UUID, Rule]) -> list[Rule]:
    way = [last]
    while way[0].pk in came_from:
        way.insert(0, came_from[way[0].pk])
    return way


class _Followers:
    """Which rules wait for what a rule's runs bring about: the ends of runs, files, failures, and what their code tells."""

    def __init__(self, rules: list[Rule]) -> None:
        self._waiting: dict[tuple[str, UUID | None], list[Rule]] = defaultdict(list)
        for rule in rules:
            self._waiting[rule.event_type, rule.function_id].append(rule)
        own = {rule.event_type for rule in rules} - set(PLATFORM)
        self._named = _types_named(_functions_of(rules), own) if own else {}

    def of(self, rule: Rule) -> Iterator[Rule]:
        for function in _functions_of([rule]):
            for event_type in (*TOLD_BY_A_RUN, RULE_FAILED, *self._named.get(function, ())):
                for about in (None, function):
                    yield from self._waiting.get((event_type, about), ())


def _functions_of(rules: Iterable[Rule]) -> set[UUID]:
    return {function for rule in rules for function in (rule.target_id, rule.error_handler_id) if function}


def _types_named(functions: set[UUID], own: set[str]) -> dict[UUID, set[str]]:
    """The types of `own` that each function names in its source, as those do that tell them by `func.emit`."""
    versions = FunctionVersion.objects.active().filter(function__in=functions, source__contains="emit(")
    rows = versions.values_list("function_id", "source").iterator()
    return {function: own & set(_QUOTED.findall(source)) for function, source in rows}
