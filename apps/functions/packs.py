"""Load pack files: every function of them becomes one of the library, or is refused with a reason, a file and a line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apps.core.errors import DomainError, Invalid
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.definition import Provenance, clean_tags
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.pack_files import PackFile, Part, Refused, read_files, settled
from apps.functions.services import create_function, save_version
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

__all__ = ["Loaded", "NoPackFile", "PackFile", "PackReport", "Refused", "load_packs", "load_parts", "settle"]

MAX_FILES = 50
FROM_A_PACK = Provenance(origin=Origin.PACK)


class NoPackFile(Invalid):
    code = "no_pack_file"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A function that was loaded: `change` is new, changed, or none when it was there already, equal in all that matters.

    `before` is the version that was active until then.
    """

    name: str
    file: str
    line: int
    change: str
    version: int
    row: FunctionVersion = field(repr=False)
    before: FunctionVersion | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PackReport:
    """What became of each function of the files, in their order."""

    loaded: list[Loaded]
    refused: list[Refused]


class _OnlyLooked(Exception):
    """Takes back what was only looked at."""


def load_packs(*, actor: Membership, files: Sequence[PackFile], only_look: bool = False) -> PackReport:
    """Load what can be loaded, dependencies first, and tell of each function what became of it.

    A function that is there already gets a further version if anything differs. With `only_look` nothing is kept: the
    report is what would happen.

    Raises: PermissionMissing, NoPackFile.
    """
    require(actor, Permission.DEVELOP)
    if not 0 < len(files) <= MAX_FILES:
        raise NoPackFile(f"Choose 1 to {MAX_FILES} pack files: Python in which functions are marked with a decorator.")
    reading = read_files(files)
    report = PackReport([], reading.refused)
    try:
        with scope(current_workspace_id()):
            load_parts(actor=actor, parts=settle(reading.parts, {}), report=report)
            if only_look:
                raise _OnlyLooked
    except _OnlyLooked:
        pass
    places = {file.name: number for number, file in enumerate(files)}
    report.loaded.sort(key=lambda each: (places[each.file], each.line))
    report.refused.sort(key=lambda each: (places[each.file], each.line))
    return report


def settle(parts: Sequence[Part], bases: dict[str, FunctionVersion]) -> list[Part]:
    """The parts with what people have set on the functions that are there. `bases`: what an earlier state of the pack brought."""
    active = FunctionVersion.objects.active_by_name([each.name for each in parts], task_id=None)
    return [settled(each, active.get(each.name), bases.get(each.name)) for each in parts]


def load_parts(*, actor: Membership, parts: Iterable[Part], report: PackReport, provenance: Provenance = FROM_A_PACK) -> None:
    """Save each part as it is: whatever needs nothing of the pack that is still to come, until nothing moves any more.

    What cannot be saved is put into the report, and nothing of it stays.
    """
    waiting = {each.name: each for each in parts}
    while ready := [each for each in waiting.values() if not each.uses & waiting.keys()]:
        for each in ready:
            del waiting[each.name]
            _load_one(actor, each, report, provenance)
    for each in waiting.values():
        circle = ", ".join(sorted(each.uses & waiting.keys()))
        report.refused.append(each.refused(f"It and {circle} need each other in a circle, or one that does."))


def _load_one(actor: Membership, part: Part, report: PackReport, provenance: Provenance) -> None:
    try:
        with scope(current_workspace_id()):
            report.loaded.append(_save(actor, part, provenance))
    except DomainError as error:
        not_there = sorted(part.uses & {each.name for each in report.refused})
        reason = f"It needs {', '.join(not_there)}, which could not be loaded." if not_there else error.message
        report.refused.append(part.refused(reason, error.code))


def _save(actor: Membership, part: Part, provenance: Provenance) -> Loaded:
    pins = None if part.pins is None else [f"{name}@{number}" for name, number in sorted(part.pins.items())]
    existing = Function.objects.library().select_related("active_version").filter(name=part.name).first()
    if existing is None:
        made = create_function(
            actor=actor,
            name=part.name,
            source=part.source,
            requirements=part.requirements,
            dependencies=pins,
            description=part.description or None,
            tags=clean_tags(part.tags),
            settings=part.settings,
            provenance=provenance,
        )
        assert made.active_version is not None
        return Loaded(part.name, part.file, part.line, "new", 1, made.active_version)
    active = existing.active_version
    version = save_version(
        actor=actor,
        function=existing,
        source=part.source,
        requirements=part.requirements,
        dependencies=pins,
        settings=part.settings,
        provenance=provenance,
    )
    change = "none" if active and version.number == active.number else "changed"
    return Loaded(part.name, part.file, part.line, change, version.number, version, active)
