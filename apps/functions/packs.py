"""Load pack files: every function of them becomes one of the library, or is refused with a reason, a file and a line."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.core.errors import DomainError, Invalid
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.analysis import Analysis, PackFunction, Problem, analyse, analyse_pack
from apps.functions.checks import distribution_of
from apps.functions.definition import Provenance, Settings, clean_tags, with_grants
from apps.functions.models import Function, FunctionVersion, Origin
from apps.functions.services import create_function, save_version
from apps.packages.requirements import parse_requirement
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

MAX_FILES = 50
FROM_A_PACK = Provenance(origin=Origin.PACK)


class NoPackFile(Invalid):
    code = "no_pack_file"


@dataclass(frozen=True, slots=True)
class PackFile:
    """A file of plain Python. The name is only shown."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A function that was loaded: `change` is new, changed, or none when it was there already, equal in all that matters."""

    name: str
    file: str
    line: int
    change: str
    version: int


@dataclass(frozen=True, slots=True)
class Refused:
    """What was not loaded; `name` is empty where a whole file could not be read."""

    name: str
    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class PackReport:
    """What became of each function of the files, in their order."""

    loaded: list[Loaded]
    refused: list[Refused]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A function that was read, with the names of the pack's other functions that it uses, and its distributions."""

    file: str
    function: PackFunction
    uses: frozenset[str]
    requirements: tuple[str, ...]


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
    candidates, refused = _read(files)
    report = PackReport([], refused)
    try:
        with scope(current_workspace_id()):
            _load(actor, candidates, report)
            if only_look:
                raise _OnlyLooked
    except _OnlyLooked:
        pass
    places = {file.name: number for number, file in enumerate(files)}
    report.loaded.sort(key=lambda each: (places[each.file], each.line))
    report.refused.sort(key=lambda each: (places[each.file], each.line))
    return report


def _read(files: Sequence[PackFile]) -> tuple[list[_Candidate], list[Refused]]:
    found: dict[str, tuple[str, PackFunction]] = {}
    refused: list[Refused] = []
    for file in files:
        reading = analyse_pack(file.text)
        refused += [Refused("", file.name, problem.line, problem.message) for problem in reading.problems]
        for function in reading.functions:
            if function.name in found:
                reason = f"There is one of this name in {found[function.name][0]} already. Load one of the files alone."
                refused.append(Refused(function.name, file.name, function.line, reason))
            else:
                found[function.name] = file.name, function
    candidates = []
    for file_name, function in found.values():
        analysis = analyse(function.source, function.name)
        if analysis.problems:
            refused.append(Refused(function.name, file_name, function.line, _in_words(function, analysis.problems)))
            continue
        uses = frozenset(each.name for each in analysis.calls) & found.keys()
        candidates.append(_Candidate(file_name, function, uses - {function.name}, _requirements(function, analysis)))
    return candidates, refused


def _load(actor: Membership, candidates: Iterable[_Candidate], report: PackReport) -> None:
    """Whatever needs nothing of the pack that is still to come, until nothing moves any more."""
    waiting = {each.function.name: each for each in candidates}
    while ready := [each for each in waiting.values() if not each.uses & waiting.keys()]:
        for each in ready:
            del waiting[each.function.name]
            _load_one(actor, each, report)
    for each in waiting.values():
        circle = ", ".join(sorted(each.uses & waiting.keys()))
        report.refused.append(_refusal(each, f"It and {circle} need each other in a circle, or one that does."))


def _load_one(actor: Membership, candidate: _Candidate, report: PackReport) -> None:
    try:
        with scope(current_workspace_id()):
            report.loaded.append(_save(actor, candidate))
    except DomainError as error:
        not_there = sorted(candidate.uses & {each.name for each in report.refused})
        reason = (
            f"It needs {', '.join(not_there)}, which could not be loaded."
            if not_there
            else _in_file(candidate.function, error.message)
        )
        report.refused.append(_refusal(candidate, reason))


def _save(actor: Membership, candidate: _Candidate) -> Loaded:
    function = candidate.function
    existing = Function.objects.library().select_related("active_version").filter(name=function.name).first()
    if existing is None:
        create_function(
            actor=actor,
            name=function.name,
            source=function.source,
            requirements=candidate.requirements,
            description=function.description or None,
            tags=clean_tags(function.tags),
            settings=Settings(secrets=tuple(function.secrets)),
            provenance=FROM_A_PACK,
        )
        return Loaded(function.name, candidate.file, function.line, "new", 1)
    active = existing.active_version
    version = save_version(
        actor=actor,
        function=existing,
        source=function.source,
        requirements=_kept(candidate.requirements, active),
        settings=_settings(function, active),
        provenance=FROM_A_PACK,
    )
    change = "none" if active and version.number == active.number else "changed"
    return Loaded(function.name, candidate.file, function.line, change, version.number)


def _settings(function: PackFunction, active: FunctionVersion | None) -> Settings:
    """What people have set since it was loaded stays: hosts, limits, retries. Secrets come to those that are there."""
    before = Settings.of(active)
    return with_grants(before, hosts=None, secrets=sorted({*before.secrets, *function.secrets}))


def _kept(requirements: Iterable[str], active: FunctionVersion | None) -> list[str]:
    """A pack names distributions; releases that people have chosen for them stay."""
    chosen = {parse_requirement(each).name: each for each in active.requirements} if active else {}
    return [chosen.get(parse_requirement(each).name, each) for each in requirements]


def _requirements(function: PackFunction, analysis: Analysis) -> tuple[str, ...]:
    """Distributions of what the source imports and Python has not: as the pack says, else by the module's name."""
    said = {each.module.partition(".")[0]: each.distribution for each in function.imports if each.distribution}
    foreign = [each.module for each in analysis.imports if each.origin == "third_party" and not each.is_optional]
    return tuple(sorted({said.get(module) or distribution_of(module) for module in foreign}))


def _refusal(candidate: _Candidate, reason: str) -> Refused:
    return Refused(candidate.function.name, candidate.file, candidate.function.line, reason)


def _in_words(function: PackFunction, problems: Iterable[Problem]) -> str:
    return " ".join(_in_file(function, f"Line {problem.line}: {problem.message}") for problem in problems)


def _in_file(function: PackFunction, sentence: str) -> str:
    """The sentence with lines of the file instead of the source that was made of it."""

    def place(found: re.Match[str]) -> str:
        line = int(found[1]) - function.source_line
        return f"Line {function.line + line}: " if line >= 0 else ""

    return re.sub(r"Line (\d+): ", place, sentence)
