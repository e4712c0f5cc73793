"""What a person should know before voting on a lock. Facts only, and where one cannot be had it says so.

"Not available" is never written as "none found". Nothing here decides: people do.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from apps.packages.index import AnswerTooLarge, IndexUnreachable, PackageIndex
from apps.packages.inspection import BadWheel, WheelContents, inspect_wheel
from apps.packages.locks import Distribution, Lock
from apps.packages.names import similar_names
from apps.packages.requirements import DirectRequirement
from apps.packages.simple_page import read_time
from apps.packages.target import Target

type Fact = dict[str, Any]
_YOUNG_PROJECT_DAYS = 90  # most malicious projects are found and removed within weeks of their first upload
_LONGEST_TEXT = 300
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
QUESTIONS_AT_ONCE = 8  # to the index, which takes 50 to 300 ms for each project


def known(value: Any) -> Fact:
    return {"available": True, "value": value}


def not_available(reason: str) -> Fact:
    return {"available": False, "reason": reason}


def gather_evidence(
    lock: Lock,
    wheels: Mapping[str, Path],
    requirements: Sequence[DirectRequirement],
    *,
    index: PackageIndex,
    target: Target,
    now: datetime,
) -> dict[str, Any]:
    """Everything about a lock that a page shows, as plain JSON values.

    Raises: BadWheel when one of the wheels is not what it says.
    """
    contents = {each.name: inspect_wheel(wheels[each.name], each) for each in lock.distributions}
    needed_by = find_needs(requirements, contents, target)
    with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
        facts = dict(zip(contents, pool.map(partial(_project_facts, index), contents), strict=True))
    told = [
        _Told(each, contents[each.name], needed_by[each.name], *facts[each.name], now).as_json() for each in lock.distributions
    ]
    evidence: dict[str, Any] = storable({
        "checked_at": now.isoformat(),
        "index": lock.index,
        "python": lock.python,
        "platform": lock.platform,
        "size": sum(each.size for each in contents.values()),
        "unpacked_size": sum(each.unpacked_size for each in contents.values()),
        "distributions": told,
        "warning_count": sum(len(each["warnings"]) for each in told),
    })  # fmt: skip
    return evidence


def storable(value: Any) -> Any:
    """A JSON value with the characters taken out that no database keeps: strangers wrote the texts in it."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


def find_needs(
    requirements: Sequence[DirectRequirement], contents: Mapping[str, WheelContents], target: Target
) -> dict[str, list[str]]:
    """Who needs each distribution: names of others, and "" for what was asked for directly."""
    needs: dict[str, set[str]] = defaultdict(set)
    open_ends = [("", each.name, extra) for each in requirements for extra in ("", *each.extras)]
    seen: set[tuple[str, str]] = set()
    while open_ends:
        parent, name, extra = open_ends.pop()
        needs[name].add(parent)
        if name in contents and (name, extra) not in seen:
            seen.add((name, extra))
            open_ends.extend((name, *wanted) for wanted in _wanted_by(contents[name], extra, target))
    return defaultdict(list, {name: sorted(parents) for name, parents in needs.items()})


def _wanted_by(contents: WheelContents, extra: str, target: Target) -> Iterator[tuple[str, str]]:
    environment = {**target.marker_environment, "extra": extra}
    for requirement in contents.requires:
        if _applies(requirement, environment):
            for wanted in ("", *requirement.extras):
                yield canonicalize_name(requirement.name), wanted


def _applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    try:
        return requirement.marker is None or requirement.marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName) as problem:
        raise BadWheel(f"A package states a condition that cannot be read: {str(requirement)[:100]}") from problem


def _project_facts(index: PackageIndex, name: str) -> tuple[dict[str, Any] | None, str]:
    try:
        facts = index.project_facts(name)
    except (IndexUnreachable, AnswerTooLarge) as problem:
        return None, problem.message
    return facts, "" if facts else "This index gives no facts about projects."


@dataclass(frozen=True)
class _Told:
    """One distribution, with what its wheel and the index say about it."""

    distribution: Distribution
    contents: WheelContents
    needed_by: list[str]
    facts: dict[str, Any] | None
    why_not: str
    now: datetime

    def as_json(self) -> dict[str, Any]:
        wheel, contents = self.distribution, self.contents
        return {
            "name": wheel.name,
            "version": wheel.version,
            "filename": wheel.filename,
            "sha256": wheel.sha256,
            "tags": sorted(str(tag) for tag in parse_wheel_filename(wheel.filename)[3]),
            "asked_for": "" in self.needed_by,
            "needed_by": [name for name in self.needed_by if name],
            "size": contents.size,
            "unpacked_size": contents.unpacked_size,
            "file_count": contents.file_count,
            "native_file_count": len(contents.native_files),
            "runs_at_start": [],  # inspection refuses wheels with any; said, because people look for it
            "summary": contents.summary[:_LONGEST_TEXT],
            "licence": known(contents.licence) if contents.licence else not_available("The package states none."),
            "similar_names": similar_names(wheel.name),
            "home_page": self._home_page(),
            "released_at": self._released_at(),
            "project_started_at": self._project_started_at(),
            "release_count": self._release_count(),
            "yanked": self._yanked(),
            "vulnerabilities": self._vulnerabilities(),
            "provenance": not_available("This installation does not check build provenance yet."),
            "warnings": list(self._warnings()),
        }

    def _released_at(self) -> Fact:
        if self.distribution.uploaded_at:
            return known(self.distribution.uploaded_at)
        return not_available("The index does not say when the file was uploaded.")

    def _project_started_at(self) -> Fact:
        times = [time for file in self._files() if (time := read_time(file.get("upload_time_iso_8601")))]
        return known(min(times).isoformat()) if times else not_available(self.why_not or "The index does not say.")

    def _release_count(self) -> Fact:
        releases = (self.facts or {}).get("releases")
        return known(len(releases)) if releases else not_available(self.why_not or "The index does not say.")

    def _home_page(self) -> Fact:
        info = (self.facts or {}).get("info") or {}
        urls = {key.lower(): link for key, link in (info.get("project_urls") or {}).items()}
        preferred = [urls.get(key) for key in ("homepage", "home", "repository", "source", "source code", "documentation")]
        links = [self.contents.home_page, info.get("home_page"), *preferred, *urls.values()]
        found = next((link for link in links if link and link.startswith(("https://", "http://"))), None)
        return known(found[:_LONGEST_TEXT]) if found else not_available("The package states none.")

    def _yanked(self) -> Fact:
        for file in self._files():
            if file.get("digests", {}).get("sha256") == self.distribution.sha256:
                return known({"yanked": bool(file.get("yanked")), "reason": file.get("yanked_reason") or ""})
        return not_available(self.why_not or "The index does not list this file among the project's.")

    def _vulnerabilities(self) -> Fact:
        """The index tells them for the newest version only; for another one nothing is known."""
        info = (self.facts or {}).get("info") or {}
        listed = (self.facts or {}).get("vulnerabilities")
        if listed is None or self.facts is None:
            return not_available(self.why_not or "The index does not list vulnerabilities.")
        if info.get("version") != self.distribution.version:
            return not_available(f"The index lists them for the newest version ({info.get('version')}) only.")
        kept = [each for each in listed if not each.get("withdrawn")]
        return known([{"id": each.get("id", ""), "summary": (each.get("summary") or "")[:_LONGEST_TEXT]} for each in kept])

    def _files(self) -> list[dict[str, Any]]:
        return [file for files in ((self.facts or {}).get("releases") or {}).values() for file in files]

    def _warnings(self) -> Iterator[dict[str, str]]:
        """What deserves a second look, the gravest first, each with a code for the page."""
        vulnerabilities, yanked, started = self._vulnerabilities(), self._yanked(), self._project_started_at()
        if vulnerabilities["available"] and vulnerabilities["value"]:
            ids = ", ".join(each["id"] for each in vulnerabilities["value"])
            yield _warning("vulnerable", f"Known vulnerabilities: {ids}.")
        if yanked["available"] and yanked["value"]["yanked"]:
            yield _warning("yanked", f"Its authors withdrew this release. {yanked['value']['reason']}".strip())
        if names := similar_names(self.distribution.name):
            yield _warning("similar_name", f"The name is close to {', '.join(names)}. Is it the package you mean?")
        if started["available"]:
            age = (self.now - datetime.fromisoformat(started["value"])).days
            if age < _YOUNG_PROJECT_DAYS:
                yield _warning("young_project", f"The project's first release is {age} days old.")


def _warning(code: str, text: str) -> dict[str, str]:
    return {"code": code, "text": text}
