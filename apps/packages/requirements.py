"""What a person or a model may ask for: names on the index with version limits, and nothing else.

Parses and normalises only. Never looks anything up and never touches the network.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement as UnparsableRequirement
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidName, canonicalize_name

from apps.core.errors import Invalid

# A tool is one function: twenty direct packages are far more than any has needed, and each costs a person's attention.
MOST_REQUIREMENTS = 20
LONGEST_REQUIREMENT = 200

_PATH = re.compile(r"^[.~/\\]|[/\\]|\.(whl|zip|tar\.gz|tgz|tar\.bz2|egg|txt|toml)$", re.IGNORECASE)
_VERSION_CONTROL = re.compile(r"^(git|hg|svn|bzr)\+", re.IGNORECASE)


class BadRequirement(Invalid):
    """A line that is not a plain package name with version limits."""

    code = "bad_requirement"


class NoRequirements(BadRequirement):
    code = "no_requirements"


class TooManyRequirements(BadRequirement):
    code = "too_many_requirements"


class RequirementTooLong(BadRequirement):
    code = "requirement_too_long"


class AddressNotAllowed(BadRequirement):
    """A URL, a version-control reference or ``name @ address``: it would go round the index."""

    code = "address_not_allowed"


class PathNotAllowed(BadRequirement):
    code = "path_not_allowed"


class OptionNotAllowed(BadRequirement):
    """An option of an installer, such as a switch to another index."""

    code = "option_not_allowed"


class MarkerNotAllowed(BadRequirement):
    code = "marker_not_allowed"


class LookAlikeName(BadRequirement):
    """Letters outside ASCII: a name that looks like a known one and is not."""

    code = "look_alike_name"


class PartOfPython(BadRequirement):
    """A module of the standard library; a package of that name is something else."""

    code = "part_of_python"


class ContradictingRequirements(BadRequirement):
    code = "contradicting_requirements"


@dataclass(frozen=True, order=True)
class DirectRequirement:
    """One package asked for by name: normalised, so that equal wishes are equal values."""

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}"


def parse_requirements(lines: Iterable[str]) -> tuple[DirectRequirement, ...]:
    """Normalise what was asked for: one entry per package, sorted by name, limits of the same package joined.

    Raises: a subclass of `BadRequirement` that says which line is refused and why.
    """
    texts = [line.strip() for line in lines]
    if not any(texts):
        raise NoRequirements("No package was named. Give at least one name, for example “markdown”.")
    if len(texts) > MOST_REQUIREMENTS:
        raise TooManyRequirements(
            f"{len(texts)} packages were asked for; at most {MOST_REQUIREMENTS} are allowed at once.",
            most=MOST_REQUIREMENTS,
        )
    found: dict[str, DirectRequirement] = {}
    for text in texts:
        requirement = parse_requirement(text)
        found[requirement.name] = _joined(found.get(requirement.name), requirement)
    return tuple(found[name] for name in sorted(found))


def parse_requirement(text: str) -> DirectRequirement:
    """Normalise one line such as ``Pillow>=11`` or ``requests[socks]``.

    Raises: a subclass of `BadRequirement`.
    """
    _refuse_what_is_no_name(text)
    try:
        parsed = Requirement(text)
        name = canonicalize_name(parsed.name, validate=True)  # the parser lets a name end in “_”, which no name may
        extras = tuple(sorted(canonicalize_name(extra, validate=True) for extra in parsed.extras))
    except (UnparsableRequirement, InvalidName) as problem:
        raise BadRequirement(
            f"“{text}” is not a package name with version limits. Write it like “markdown” or “markdown>=3.5,<4”.",
            requirement=text,
        ) from problem
    if any(part.operator == "===" for part in parsed.specifier):
        raise BadRequirement(f"“{text}” compares versions by “===”; write “==” instead.", requirement=text)
    if name.replace("-", "_") in sys.stdlib_module_names:
        raise PartOfPython(
            f"“{name}” comes with Python: import it without asking for a package. "
            "A package of that name on the index would be something else.",
            requirement=text,
        )
    return DirectRequirement(name, extras, _canonical_specifier(parsed.specifier))


def _refuse_what_is_no_name(text: str) -> None:
    if not text:
        raise BadRequirement("One of the packages has an empty name.")
    if len(text) > LONGEST_REQUIREMENT:
        raise RequirementTooLong(
            f"A package line has {len(text)} characters; at most {LONGEST_REQUIREMENT} are allowed.",
            most=LONGEST_REQUIREMENT,
        )
    if not text.isascii():
        odd = next(letter for letter in text if not letter.isascii())
        raise LookAlikeName(
            f"The package line contains the character U+{ord(odd):04X}, which only looks like a plain letter. "
            "Package names use the letters a to z, digits, “-”, “_” and “.”.",
            requirement=text,
        )
    if not text.isprintable():
        raise BadRequirement("A package line contains control characters or a line break.", requirement=text)
    if text.startswith("-"):
        raise OptionNotAllowed(
            f"“{text}” is an installer option. Packages come from the index that this installation names; "
            "only names and versions can be asked for.",
            requirement=text,
        )
    _refuse_other_sources(text)


def _refuse_other_sources(text: str) -> None:
    if "://" in text or "@" in text or _VERSION_CONTROL.match(text):
        raise AddressNotAllowed(
            f"“{text}” names an address. Packages come only from the package index, by name: no URLs, no git references.",
            requirement=text,
        )
    if ";" in text:
        raise MarkerNotAllowed(
            f"“{text}” has a condition after “;”. Tools run on one Python and one platform, so ask for the package "
            "without the condition.",
            requirement=text,
        )
    if _PATH.search(text):
        raise PathNotAllowed(
            f"“{text}” is a path or a file. Packages come only from the package index, by name.", requirement=text
        )


def _canonical_specifier(specifier: SpecifierSet) -> str:
    return ",".join(sorted(str(part) for part in specifier))


def _joined(first: DirectRequirement | None, second: DirectRequirement) -> DirectRequirement:
    if first is None:
        return second
    specifier = SpecifierSet(first.specifier) & SpecifierSet(second.specifier)
    pins = {part.version for part in specifier if part.operator == "==" and not part.version.endswith(".*")}
    if len(pins) > 1:
        raise ContradictingRequirements(
            f"“{first}” and “{second}” ask for two different versions of one package.", name=first.name
        )
    return DirectRequirement(first.name, tuple(sorted({*first.extras, *second.extras})), _canonical_specifier(specifier))
