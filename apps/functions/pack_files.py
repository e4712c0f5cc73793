"""Read pack files: what each function of them would be, as a source of its own, and what cannot be read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from apps.functions.analysis import Analysis, PackFunction, PackNote, PackRule, Problem, analyse, analyse_pack
from apps.functions.checks import distribution_of
from apps.functions.definition import Settings, with_grants
from apps.functions.models import FunctionVersion
from apps.packages.requirements import parse_requirement

NO_SETTINGS = Settings()


@dataclass(frozen=True, slots=True)
class PackFile:
    """A file of plain Python. The name is only shown."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What was not loaded; `name` is empty where a whole file could not be read. `code` says of what sort it is."""

    name: str
    file: str
    line: int
    reason: str
    code: str = "refused"


@dataclass(frozen=True, slots=True)
class Part:
    """A function of a pack as it would be saved.

    `line` is its place in the file, `source_line` the same in its source. `uses` names functions of the same pack. `is_whole`:
    the pack says all of its settings, and not only what its decorator names. `pins` None keeps those that there are.
    """

    name: str
    file: str
    line: int
    source: str
    source_line: int = 1
    description: str = ""
    tags: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    settings: Settings = NO_SETTINGS
    pins: Mapping[str, int] | None = None
    uses: frozenset[str] = frozenset()
    is_whole: bool = False

    def refused(self, reason: str, code: str = "refused") -> Refused:
        return Refused(self.name, self.file, self.line, in_file(self, reason), code)


@dataclass(frozen=True, slots=True)
class FoundRule:
    """A rule that a file says, with the file."""

    file: str
    rule: PackRule


@dataclass(frozen=True, slots=True)
class FoundNote:
    """What a file would have done if it had been run, with the file."""

    file: str
    note: PackNote


@dataclass(slots=True)
class Reading:
    """All that pack files say."""

    parts: list[Part] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    rules: list[FoundRule] = field(default_factory=list)
    notes: list[FoundNote] = field(default_factory=list)


def read_files(files: Sequence[PackFile], also: Iterable[str] = ()) -> Reading:
    """Functions in the order of the files. Of two of one name the first is taken and the second refused, as `duplicate`.

    `also` names functions that the same pack has elsewhere.
    """
    reading = Reading()
    found: dict[str, tuple[str, PackFunction]] = {}
    for file in files:
        told = analyse_pack(file.text)
        reading.refused += [Refused("", file.name, each.line, each.message, each.code) for each in told.problems]
        reading.rules += [FoundRule(file.name, each) for each in told.rules]
        reading.notes += [FoundNote(file.name, each) for each in told.notes]
        for function in told.functions:
            if function.name in found:
                reason = f"There is one of this name in {found[function.name][0]} already. Load one of the files alone."
                reading.refused.append(Refused(function.name, file.name, function.line, reason, "duplicate"))
            else:
                found[function.name] = file.name, function
    for file_name, function in found.values():
        part = Part(function.name, file_name, function.line, function.source, function.source_line)
        add_part(reading, part, function, names={*found, *also})
    return reading


def add_part(reading: Reading, part: Part, function: PackFunction | None, *, names: Iterable[str]) -> None:
    """Put a function into the reading with what its source tells, or with what is wrong in it.

    `function`: what its decorator says; None where the part says all of itself already.
    """
    analysis = analyse(part.source, part.name)
    if analysis.problems:
        reading.refused.append(part.refused(_in_words(analysis.problems)))
        return
    uses = frozenset(each.name for each in analysis.calls) & frozenset(names)
    part = replace(part, uses=uses - {part.name})
    if function is not None:
        part = replace(
            part,
            description=function.description,
            tags=tuple(function.tags),
            requirements=_requirements(function, analysis),
            settings=Settings(secrets=tuple(function.secrets)),
        )
    reading.parts.append(part)


def settled(part: Part, active: FunctionVersion | None, base: FunctionVersion | None) -> Part:
    """The part with what people have set since it was loaded: that stays, and what the pack asks for newly comes to it.

    `base` is the version that an earlier state of the same pack brought, where that is known.
    """
    if active is None:
        return part
    requirements = _kept(part.requirements, active, base)
    mine = Settings.of(active)
    if part.is_whole:
        return replace(part, requirements=requirements, settings=_merged(part.settings, mine, Settings.of(base)))
    secrets = sorted({*mine.secrets, *part.settings.secrets})
    return replace(part, requirements=requirements, settings=with_grants(mine, hosts=None, secrets=secrets))


def in_file(part: Part, sentence: str) -> str:
    """The sentence with lines of the file instead of the source that was made of it."""

    def place(found: re.Match[str]) -> str:
        line = int(found[1]) - part.source_line
        return f"Line {part.line + line}: " if line >= 0 else ""

    return re.sub(r"Line (\d+): ", place, sentence)


def _merged(theirs: Settings, mine: Settings, base: Settings) -> Settings:
    """Setting by setting: what differs from what the pack brought before is people's own and stays."""
    merged = Settings(
        secrets=_joined(theirs.secrets, mine.secrets, base.secrets),
        hosts=_joined(theirs.hosts, mine.hosts, base.hosts),
        limits=theirs.limits if mine.limits == base.limits else mine.limits,
        logging=theirs.logging if mine.logging == base.logging else mine.logging,
        isolation=theirs.isolation if mine.isolation == base.isolation else mine.isolation,
        imports_first=theirs.imports_first if mine.imports_first == base.imports_first else mine.imports_first,
    )
    retry = mine if _has_own_retry(mine, base) else theirs
    return replace(merged, retry_class=retry.retry_class, retry=retry.retry)


def _has_own_retry(mine: Settings, base: Settings) -> bool:
    """Whether people say something of retries: neither what the pack said nor what goes without saying."""
    usual = replace(mine, retry_class=None, retry={})
    said = [(each.effective_retry_class, each.retry) for each in (mine, base, usual)]
    return said[0] not in said[1:]


def _joined(theirs: Iterable[str], mine: Iterable[str], base: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*theirs} | ({*mine} - {*base})))


def _kept(requirements: Iterable[str], active: FunctionVersion, base: FunctionVersion | None) -> tuple[str, ...]:
    """Releases that people have chosen for a pack's distributions stay."""
    brought = {parse_requirement(each).name: each for each in base.requirements} if base else {}
    chosen = {parse_requirement(each).name: each for each in active.requirements}
    own = {name: line for name, line in chosen.items() if brought.get(name) != line}
    return tuple(own.get(parse_requirement(each).name, each) for each in requirements)


def _requirements(function: PackFunction, analysis: Analysis) -> tuple[str, ...]:
    """Distributions of what the source imports and Python has not: as the pack says, else by the module's name."""
    said = {each.module.partition(".")[0]: each.distribution for each in function.imports if each.distribution}
    foreign = [each.module for each in analysis.imports if each.origin == "third_party" and not each.is_optional]
    return tuple(sorted({said.get(module) or distribution_of(module) for module in foreign}))


def _in_words(problems: Iterable[Problem]) -> str:
    return " ".join(f"Line {problem.line}: {problem.message}" for problem in problems)
