"""Why a package could not be resolved, told from the index itself rather than guessed from the resolver's words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from apps.core.errors import Invalid
from apps.packages.index import NoSuchProject, PackageIndex
from apps.packages.requirements import DirectRequirement
from apps.packages.simple_page import IndexFile
from apps.packages.target import Target


class ResolutionFailed(Invalid):
    """No set of files satisfies what was asked for."""

    code = "resolution_failed"


class NoSuchPackage(ResolutionFailed):
    code = "no_such_package"


class NoVersionMatches(ResolutionFailed):
    code = "no_version_matches"


class OnlySourceDistribution(ResolutionFailed):
    """Installing it would run its own build code; only ready-made wheels get in."""

    code = "only_source_distribution"


class NoWheelForBox(ResolutionFailed):
    """There are wheels, but none for the Python and platform of the sandbox."""

    code = "no_wheel_for_box"


class TooYoung(ResolutionFailed):
    """Every fitting release is younger than the cooldown."""

    code = "too_young"


class Unresolvable(ResolutionFailed):
    """The packages, or what they need in turn, contradict each other."""

    code = "unresolvable"


@dataclass(frozen=True)
class _Candidate:
    version: Version
    tags: frozenset[Tag] | None  # None for a source distribution
    file: IndexFile


def find_reason(
    requirements: Sequence[DirectRequirement],
    *,
    index: PackageIndex,
    target: Target,
    newest_upload: datetime | None,
    cooldown: timedelta,
) -> ResolutionFailed | None:
    """The first direct requirement that cannot be had by itself, as the error that says so; None if each can.

    Raises: IndexUnreachable, AnswerTooLarge.
    """
    for requirement in requirements:
        reason = _reason_for(requirement, index, target, newest_upload, cooldown)
        if reason is not None:
            return reason
    return None


def _reason_for(
    requirement: DirectRequirement,
    index: PackageIndex,
    target: Target,
    newest_upload: datetime | None,
    cooldown: timedelta,
) -> ResolutionFailed | None:
    name = requirement.name
    try:
        candidates = list(_candidates(name, index.files(name)))
    except NoSuchProject:
        return NoSuchPackage(f"There is no package “{name}” on the index. Check the spelling.", name=name)
    matching = _matching(candidates, requirement)
    if not matching:
        return NoVersionMatches(_no_version_sentence(requirement, candidates), name=name)
    wheels = [each for each in matching if each.tags is not None]
    if not wheels:
        return OnlySourceDistribution(
            f"“{requirement}” is offered as source only. Installing it would run its build code, so only packages "
            "with a ready-made wheel get in. Another version or package may have one.",
            name=name,
        )
    fitting = [each for each in wheels if _runs_on(each, target)]
    if not fitting:
        return NoWheelForBox(
            f"“{requirement}” has no wheel for Python {target.python} on {target.platform}, which tools run on.",
            name=name,
        )
    if newest_upload and not any(_is_old_enough(each.file, newest_upload) for each in fitting):
        return TooYoung(_too_young_sentence(requirement, fitting, cooldown), name=name)
    return None


def _candidates(name: str, files: list[IndexFile]) -> Iterator[_Candidate]:
    for file in files:
        try:
            if file.filename.endswith(".whl"):
                found, version, _, tags = parse_wheel_filename(file.filename)
                candidate = _Candidate(version, tags, file)
            else:
                found, version = parse_sdist_filename(file.filename)
                candidate = _Candidate(version, None, file)
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue  # eggs and installers of old; no resolver takes them
        if found == canonicalize_name(name):
            yield candidate


def _matching(candidates: list[_Candidate], requirement: DirectRequirement) -> list[_Candidate]:
    specifier = SpecifierSet(requirement.specifier)
    versions = set(specifier.filter({each.version for each in candidates}))
    return [each for each in candidates if each.version in versions]


def _runs_on(candidate: _Candidate, target: Target) -> bool:
    if candidate.tags is None or target.rank(candidate.tags) is None:
        return False
    try:
        return SpecifierSet(candidate.file.requires_python or "").contains(f"{target.python}.0")
    except InvalidSpecifier:
        return True


def _is_old_enough(file: IndexFile, newest_upload: datetime) -> bool:
    return file.uploaded_at is not None and file.uploaded_at <= newest_upload


def _no_version_sentence(requirement: DirectRequirement, candidates: list[_Candidate]) -> str:
    if not candidates:
        return f"The index lists “{requirement.name}” but offers no file of it."
    newest = max(each.version for each in candidates)
    return f"No version of “{requirement.name}” fits “{requirement}”; the newest on the index is {newest}."


def _too_young_sentence(requirement: DirectRequirement, fitting: list[_Candidate], cooldown: timedelta) -> str:
    times = [each.file.uploaded_at for each in fitting if each.file.uploaded_at]
    start = f"“{requirement}” is too new: releases get in {cooldown.days} days after their upload"
    if not times:
        return f"{start}, and this index does not say when its files were uploaded."
    return f"{start}. The first that fits may be asked for from {(min(times) + cooldown):%-d %B %Y} on."
