"""What a pack would bring, found by bringing it and taking it back: the same checks, and nothing is kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from packaging.utils import canonicalize_name

from apps.core.errors import Conflict, DomainError, Invalid
from apps.core.tenancy import current_workspace_id, scope
from apps.functions.authors import authors_of
from apps.functions.capabilities import find_grant, wish_of
from apps.functions.closure import resolve_closure
from apps.functions.models import FunctionVersion
from apps.functions.pack_files import FoundNote, FoundRule, PackFile, Part, Reading, Refused, add_part, read_files
from apps.functions.packs import Loaded, PackReport, load_parts, settle
from apps.packages.requirements import BadRequirement, parse_requirement
from apps.packages.services import find_environment
from apps.packs.manifest import FILE, Manifest, checked_name, settings_of
from apps.packs.models import Release
from apps.packs.removal import bring_back, current_release
from apps.packs.rules import completed, described, draft_of
from apps.packs.states import ReleaseState
from apps.packs.trees import BadPack, Tree
from apps.triggers.models import Rule
from apps.triggers.services import create_rule
from apps.workspaces.models import Membership

MOST_FUNCTIONS = 200
"""Each is read by a process of its own, while whoever installs the pack waits."""


class PackRefused(Invalid):
    """The pack cannot be installed as it is; `details["refused"]` lists what, with file, line and reason."""

    code = "pack_refused"

    def __init__(self, refused: Sequence[Refused]) -> None:
        told = [f"{each.file}{f':{each.line}' if each.line else ''}: {each.reason}" for each in refused]
        super().__init__(
            f"Nothing was installed. {' '.join(told[:3])}{f' And {len(told) - 3} more.' if len(told) > 3 else ''}",
            refused=[{"name": each.name, "file": each.file, "line": each.line, "reason": each.reason} for each in refused],
        )


class NothingBrought(Invalid):
    """No function and no rule of it can be installed."""

    code = "nothing_brought"


class RequirementMissing(Conflict):
    """A pack needs another one that is not installed; `details["requires"]` lists those."""

    code = "pack_requirement_missing"


@dataclass(slots=True)
class Plan:
    """What a pack would bring. `functions` are as `Release.functions` keeps them; of `asks` people have to decide."""

    manifest: Manifest
    digest: str
    functions: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    kept_rules: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    capabilities: list[dict[str, Any]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    notes: list[FoundNote] = field(default_factory=list)
    authors: set[Any] = field(default_factory=set)
    before: Release | None = None

    @property
    def asks(self) -> bool:
        """Whether it brings what people decide on: hosts, secrets, language models, or rules that run by themselves."""
        return bool(self.capabilities or self.rules)

    @property
    def brought(self) -> list[dict[str, Any]]:
        return [each for each in self.functions if each["change"] != "none"]

    @property
    def hosts(self) -> list[str]:
        return sorted({host for each in self.capabilities for host in each["hosts"]})

    @property
    def secrets(self) -> list[str]:
        return sorted({secret["name"] for each in self.capabilities for secret in each["secrets"]})

    @property
    def models(self) -> bool:
        """Whether anything of it asks language models."""
        return any(each.get("models", False) for each in self.capabilities)

    def frozen(self) -> dict[str, Any]:
        """What people are shown and vote on, and what is installed: nothing else is."""
        return {
            "pack": self.manifest.name,
            "version": self.manifest.version,
            "description": self.manifest.description,
            "author": self.manifest.author,
            "license": self.manifest.license,
            "requires": list(self.manifest.requires),
            "source_digest": self.digest,
            "replaces": self.before.version or str(self.before.number) if self.before else "",
            "functions": self.functions,
            "rules": self.rules,
            "packages": self.packages,
            "capabilities": self.capabilities,
            "gone": self.gone,
        }


class _OnlyLooked(Exception):
    """Takes back what was only looked at."""


def make_plan(*, actor: Membership, tree: Tree, name: str = "") -> Plan:
    """What would come of a pack here, now.

    A pack with a manifest is whole or not at all; of files without one, what can be loaded is. `name` is for those.

    Raises:
        PackRefused, NothingBrought, RequirementMissing, manifest.BadManifest, trees.BadPack
    """
    manifest = tree.manifest or Manifest(checked_name((name or tree.suggested_name).strip() or "pack"))
    reading = _read(tree, manifest)
    if doubled := [each for each in reading.refused if each.code == "duplicate"]:
        raise PackRefused(doubled)
    if len(reading.parts) > MOST_FUNCTIONS:
        raise BadPack(f"A pack may have {MOST_FUNCTIONS} functions; this one has {len(reading.parts)}. Make several of it.")
    plan = Plan(manifest, tree.digest, refused=reading.refused, notes=reading.notes)
    plan.before = current_release(manifest.name)
    parts = _with_required_releases(manifest, reading.parts)
    try:
        with scope(current_workspace_id()):
            _bring(actor, plan, parts, reading)
            raise _OnlyLooked
    except _OnlyLooked:
        pass
    if tree.manifest is not None and plan.refused:
        raise PackRefused(plan.refused)
    if not plan.functions and not plan.rules:
        raise PackRefused(plan.refused) if plan.refused else NothingBrought("Nothing in it is a function or a rule.")
    return plan


def part_of(entry: Mapping[str, Any], names: Iterable[str]) -> Part:
    """A function of a frozen plan, to be saved exactly as it was shown."""
    content = entry["content"]
    return Part(
        name=entry["name"],
        file=entry["file"],
        line=entry["line"],
        source=content["source"],
        description=entry["description"],
        tags=tuple(entry["tags"]),
        requirements=tuple(content["requirements"]),
        settings=settings_of(content),
        pins=content.get("pins", {}),
        uses=frozenset(content["dependencies"]) & frozenset(names),
        is_whole=True,
    )


def _read(tree: Tree, manifest: Manifest) -> Reading:
    """Files that the manifest names hold one function each, as it is; decorators say what the others hold."""
    whole = {table.get("file", f"{name}.py"): (name, table) for name, table in manifest.functions.items()}
    if missing := sorted(whole.keys() - tree.files.keys()):
        raise BadPack(f"{FILE} names {missing[0][:100]}, which is not in the pack. Nothing was kept.")
    rest = [PackFile(name, text) for name, text in tree.files.items() if name not in whole and name != FILE]
    if tree.manifest is not None:  # beside a manifest a module that marks no function is nothing to complain of
        rest = [file for file in rest if "register_" in file.text]
    reading = read_files(rest, also=manifest.functions)
    names = {*manifest.functions, *(part.name for part in reading.parts)}
    for part in [part for part in reading.parts if part.name in manifest.functions]:
        reading.refused.append(part.refused(f"{FILE} has a function of this name as well.", "duplicate"))
    for file, (name, table) in sorted(whole.items()):
        add_part(reading, _whole_part(name, file, table, tree.files[file]), None, names=names)
    return reading


def _whole_part(name: str, file: str, table: Mapping[str, Any], source: str) -> Part:
    return Part(
        name=name,
        file=file,
        line=1,
        source=source,
        description=table.get("description", ""),
        tags=tuple(table.get("tags", ())),
        requirements=tuple(table.get("requirements", ())),
        settings=settings_of(table),
        pins=table.get("pins"),
        is_whole=True,
    )


def _with_required_releases(manifest: Manifest, parts: Sequence[Part]) -> list[Part]:
    """`requires` names packs that must be installed, and releases of packages that functions of the pack import.

    Raises:
        RequirementMissing
    """
    rows = Release.objects.filter(state=ReleaseState.INSTALLED, pack__name__in=manifest.requires)
    installed = set(rows.values_list("pack__name", flat=True))
    imported = {parse_requirement(line).name for part in parts for line in part.requirements}
    releases, missing = dict[str, str](), list[str]()
    for line in manifest.requires:
        if line in installed:
            continue
        name = _distribution(line)
        if name in imported:
            releases[name] = line
        else:
            missing.append(line)
    if missing:
        told = " and ".join(f"“{each}”" for each in missing[:5])
        raise RequirementMissing(
            f"“{manifest.name}” needs {told}: no pack of that name is installed here, and no function of it imports such a "
            "package. Install what it needs first.",
            requires=missing,
        )
    return [
        replace(part, requirements=tuple(releases.get(parse_requirement(line).name, line) for line in part.requirements))
        for part in parts
    ]


def _distribution(line: str) -> str:
    try:
        return canonicalize_name(parse_requirement(line).name)
    except BadRequirement:
        return ""


def _bring(actor: Membership, plan: Plan, parts: Sequence[Part], reading: Reading) -> None:
    """Save everything, in a transaction that is taken back, and look at what it came to."""
    if plan.before is not None and plan.before.state == ReleaseState.REMOVED:
        bring_back(actor=actor, release=plan.before)
    report = PackReport([], plan.refused)
    load_parts(actor=actor, parts=settle(parts, _bases(plan.before)), report=report)
    said = {part.name: part for part in parts}
    plan.functions = [_entry(each, said[each.name]) for each in sorted(report.loaded, key=lambda each: each.name)]
    for each in report.loaded:
        _add_needs(plan, each)
    plan.packages = sorted(set(plan.packages))
    names = {each.name for each in report.loaded} | {each.name for each in plan.refused}
    plan.gone = sorted(each["name"] for each in plan.before.functions if each["name"] not in names) if plan.before else []
    _bring_rules(actor, plan, reading.rules)


def _bases(before: Release | None) -> dict[str, FunctionVersion]:
    """The versions that the release before brought, by name."""
    if before is None:
        return {}
    rows = FunctionVersion.objects.filter(brought_by__release=before).select_related("function")
    return {row.function.name: row for row in rows}


def _entry(loaded: Loaded, part: Part) -> dict[str, Any]:
    return {
        "name": loaded.name,
        "file": loaded.file,
        "line": loaded.line,
        "change": loaded.change,
        "number": loaded.row.number,
        "before": loaded.before.number if loaded.before else None,
        "description": part.description,
        "tags": sorted({tag.strip().lower() for tag in part.tags if tag.strip()}),
        "digest": loaded.row.digest,
        "content": loaded.row.content(),
        "input_schema": loaded.row.input_schema,
        "hints": sorted({hint["capability"] for hint in loaded.row.hints}),
    }


def _add_needs(plan: Plan, loaded: Loaded) -> None:
    """Packages, hosts and secrets that nobody has agreed to for this function and all that would run in its box."""
    loaded.row.function.active_version = loaded.row
    closure = resolve_closure(loaded.row)
    requirements = sorted({line for version in closure for line in version.requirements})
    if requirements and find_environment(requirements) is None:
        plan.packages += requirements
    wish = wish_of(closure)
    if wish and find_grant(wish) is None:
        plan.capabilities.append(wish.by_name())
        plan.authors |= authors_of(closure)


def _bring_rules(actor: Membership, plan: Plan, found: Iterable[FoundRule]) -> None:
    """Make each rule as it would be made. One that is there by its name stays as people have it."""
    for each in found:
        _bring_rule(actor, plan, each.file, each.rule.line, partial(described, each, plan.manifest.name))
    for table in plan.manifest.rules:
        _bring_rule(actor, plan, FILE, 0, partial(completed, table))


def _bring_rule(actor: Membership, plan: Plan, file: str, line: int, describe: Callable[[], dict[str, Any]]) -> None:
    try:
        with scope(current_workspace_id()):
            said = describe()
            if Rule.objects.filter(name=said["name"]).exists():
                plan.kept_rules.append(said["name"])
                return
            create_rule(actor=actor, draft=draft_of(said))
            plan.rules.append(said)
    except DomainError as problem:
        plan.refused.append(Refused("", file, line, problem.message))
