"""Who is affected when a function changes or goes: the functions of the library that call it, directly or through others."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q

from apps.functions.models import Function, FunctionQuerySet


@dataclass(frozen=True, slots=True)
class Impact:
    """Functions whose active version calls another, by id. What tasks wrote for themselves does not count."""

    direct: frozenset[UUID]
    indirect: frozenset[UUID]
    pinned: frozenset[UUID]  # of the direct ones those that name a version: another active one changes nothing for them

    def __len__(self) -> int:
        return len(self.direct) + len(self.indirect)

    def callers(self) -> FunctionQuerySet:
        """Those that call it directly, by name."""
        rows: FunctionQuerySet = Function.objects.all().for_list().filter(pk__in=self.direct)
        return rows

    def functions(self) -> FunctionQuerySet:
        """All of them, each with `is_direct`; those that call it directly come first."""
        is_direct = ExpressionWrapper(Q(pk__in=self.direct), output_field=BooleanField())
        rows: FunctionQuerySet = Function.objects.all().for_list().filter(pk__in=self.direct | self.indirect)
        return rows.annotate(is_direct=is_direct).order_by(is_direct.desc(), "name")


def impact_of(function: Function) -> Impact:
    """Who calls a function now. One query, over the functions of the workspace that call any: a graph has no short cut.

    A caller counts whether the function is active or archived, since a name is what is called.
    """
    rows = Function.objects.library().filter(active_version__isnull=False).exclude(active_version__dependencies=[])
    callers, pinned = defaultdict[str, list[tuple[UUID, str]]](list), set[UUID]()
    columns = ("pk", "name", "active_version__dependencies", "active_version__pins")
    for key, name, dependencies, pins in rows.values_list(*columns):
        if function.name in pins:
            pinned.add(key)
        for dependency in dependencies:
            callers[dependency].append((key, name))
    direct = {key for key, _ in callers[function.name]}
    found, waiting = dict.fromkeys(direct), list(callers[function.name])
    while waiting:
        _, name = waiting.pop()
        new = [(key, caller) for key, caller in callers.get(name, ()) if key not in found]
        found.update(dict.fromkeys(key for key, _ in new))
        waiting += new
    return Impact(frozenset(direct), frozenset(found.keys() - direct - {function.pk}), frozenset(pinned))
