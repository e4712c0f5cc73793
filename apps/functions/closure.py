"""The dependency graph: which functions a version needs, in the order in which a box defines them."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from apps.core.errors import Invalid
from apps.functions.models import FunctionVersion

MAX_CLOSURE = 100
"""Functions in one box, the called one included; a longer list is a mistake and would make every run slow."""


class UnknownDependency(Invalid):
    """A name is neither defined in the source nor a function that can be seen from there."""

    code = "unknown_dependency"


class DependencyCycle(Invalid):
    """Functions need each other in a circle; `details["path"]` goes round it."""

    code = "dependency_cycle"


class ClosureTooLarge(Invalid):
    code = "closure_too_large"


class PinsDiffer(Invalid):
    """Two functions of one box pin a third at different versions; a name is one function there."""

    code = "pins_differ"


def resolve_closure(version: FunctionVersion) -> list[FunctionVersion]:
    """Give all that the version needs, dependencies first and the version itself last.

    Names are resolved to active versions: in a task the task's own functions first, then the library's. One query for
    each level of the graph. Works on a version that is not saved yet.

    All functions of a closure run in one box, where a name is one function: what one of them pins holds for all. A pinned
    version may pin others, or no longer, so the graph is walked again until its pins are those that it was walked with.

    Raises:
        UnknownDependency, DependencyCycle, ClosureTooLarge, PinsDiffer
    """
    pins, tried = dict(version.pins), list[dict[str, int]]()
    while pins not in tried:
        tried.append(pins)
        known = _reached(version, pins)
        if (found := _pins_of(known.values())) == pins:
            return _ordered(version, known)
        pins = found
    raise PinsDiffer(
        f"What “{version.function.name}” calls pins versions that pin others, round and round: {', '.join(sorted(pins))}. "
        "Pin fewer.",
        names=sorted(pins),
    )


def _reached(version: FunctionVersion, pins: Mapping[str, int]) -> dict[str, FunctionVersion]:
    known = {version.function.name: version}
    waiting = dict.fromkeys(version.dependencies, version)
    while waiting := {name: user for name, user in waiting.items() if name not in known}:
        found = _resolve(waiting, version.function.task_id, pins)
        known.update(found)
        if len(known) > MAX_CLOSURE:
            raise ClosureTooLarge(
                f"“{version.function.name}” needs more than {MAX_CLOSURE} functions, itself included.", most=MAX_CLOSURE
            )
        waiting = {name: user for user in found.values() for name in user.dependencies}
    return known


def _pins_of(versions: Iterable[FunctionVersion]) -> dict[str, int]:
    pinned: dict[str, tuple[int, FunctionVersion]] = {}
    for user in versions:
        for name, number in user.pins.items():
            other_number, other = pinned.setdefault(name, (number, user))
            if other_number != number:
                raise PinsDiffer(
                    f"“{other.function.name}” needs version {other_number} of “{name}” and “{user.function.name}” needs version "
                    f"{number}. In one box there is one: let them name the same.",
                    name=name,
                )
    return {name: number for name, (number, _) in pinned.items()}


def _resolve(waiting: dict[str, FunctionVersion], task_id: UUID | None, pins: Mapping[str, int]) -> dict[str, FunctionVersion]:
    found = FunctionVersion.objects.active_by_name(waiting, task_id=task_id, pins=pins)
    for name, user in waiting.items():
        if name not in found:
            what = f"version {pins[name]} of a function “{name}”" if name in pins else f"a function “{name}”"
            raise UnknownDependency(
                f"“{user.function.name}” needs {what}, which is not there.", name=name, user=user.function.name
            )
    return found


def _ordered(version: FunctionVersion, known: dict[str, FunctionVersion]) -> list[FunctionVersion]:
    done: dict[str, FunctionVersion] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise _cycle((*path[path.index(name) :], name))
        if name not in done:
            for dependency in known[name].dependencies:
                visit(dependency, (*path, name))
            done[name] = known[name]

    visit(version.function.name, ())
    return list(done.values())


def _cycle(path: Iterable[str]) -> DependencyCycle:
    names = list(path)
    return DependencyCycle(f"These functions need each other in a circle: {' → '.join(names)}.", path=names)
