"""Which rules may start one another in a circle, as far as can be told without running anything."""

from collections.abc import Iterator
from uuid import UUID

from apps.functions.models import FunctionVersion
from apps.triggers.models import Rule
from apps.triggers.types import PLATFORM, RULE_FAILED, TOLD_BY_A_RUN

MOST_RULES = 2_000  # looked at; more rules than that get no warning for what lies beyond


def find_loop(rule: Rule) -> list[str]:
    """The names of the rules on the shortest way from a rule back to itself; empty when there is none.

    A warning and no refusal: conditions may end what looks like a circle, and the limits of a chain end it in any case.
    """
    others = list(Rule.objects.filter(is_active=True).exclude(pk=rule.pk).order_by("id")[:MOST_RULES])
    emits = _Emissions([rule, *others])
    came_from: dict[UUID, Rule] = {}
    line = [rule]
    while line:
        here = line.pop(0)
        for following in _started_by(here, [rule, *others], emits):
            if following.pk == rule.pk:
                return [each.name for each in _way_back(here, came_from)]
            if following.pk not in came_from:
                came_from[following.pk] = here
                line.append(following)
    return []


def _started_by(rule: Rule, rules: list[Rule], emits: "_Emissions") -> Iterator[Rule]:
    """Rules that wait for what the runs of a rule bring about."""
    functions = {rule.target_id, *([rule.error_handler_id] if rule.error_handler_id else [])}
    for other in rules:
        is_about = other.function_id is None or other.function_id in functions
        told = other.event_type in TOLD_BY_A_RUN or other.event_type == RULE_FAILED
        if (told and is_about) or any(emits.tells(function, other.event_type) for function in functions):
            yield other


def _way_back(last: Rule, came_from: dict[UUID, Rule]) -> list[Rule]:
    way = [last]
    while way[0].pk in came_from:
        way.insert(0, came_from[way[0].pk])
    return way


class _Emissions:
    """Which functions name a type of event in their source, as those do that tell it by `func.emit`."""

    def __init__(self, rules: list[Rule]) -> None:
        own = {rule.event_type for rule in rules} - set(PLATFORM)
        functions = {rule.target_id for rule in rules} | {rule.error_handler_id for rule in rules}
        versions = FunctionVersion.objects.active().filter(function__in=functions) if own else FunctionVersion.objects.none()
        self._named = {
            (function, name)
            for function, source in versions.values_list("function_id", "source")
            for name in own
            if f'"{name}"' in source or f"'{name}'" in source
        }

    def tells(self, function: UUID, name: str) -> bool:
        return (function, name) in self._named
