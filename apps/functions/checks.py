"""Whether a source fits its surroundings: the library's functions and the packages asked for."""

import difflib
import re
import sys
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from packaging.utils import canonicalize_name

from apps.core.errors import Invalid, TooLarge
from apps.functions.analysis import MAX_SOURCE_BYTES, Analysis, FreeName, Import, Problem, analyse
from apps.functions.closure import UnknownDependency
from apps.functions.models import Function, FunctionVersion
from apps.packages.requirements import parse_requirement

DISTRIBUTIONS = {
    "attr": "attrs", "bs4": "beautifulsoup4", "Crypto": "pycryptodome", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "fitz": "pymupdf", "git": "gitpython", "jwt": "pyjwt",
    "Levenshtein": "levenshtein", "magic": "python-magic", "OpenSSL": "pyopenssl", "PIL": "pillow", "pptx": "python-pptx",
    "serial": "pyserial", "skimage": "scikit-image", "sklearn": "scikit-learn", "slugify": "python-slugify",
    "usb": "pyusb", "yaml": "pyyaml", "zmq": "pyzmq",
}  # fmt: skip
"""Import names whose distribution is called otherwise; for all others the two are taken to be the same."""

MAX_NAMES_COMPARED = 5_000
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class SourceInvalid(Invalid):
    """The source has problems; `details["problems"]` lists them with code, message, line, column and text."""

    code = "source_invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        super().__init__(
            " ".join(_with_place(problem) for problem in found[:5]),
            problems=[{"code": p.code, "message": p.message, "line": p.line, "column": p.column, "text": p.text} for p in found],
        )


class SourceTooLarge(TooLarge):
    code = "source_too_large"


class UnusedDependency(Invalid):
    code = "unused_dependency"


class BadPin(Invalid):
    code = "bad_pin"


class MissingPackage(Invalid):
    """Modules are imported that neither Python nor a requirement brings; `details["imports"]` suggests requirements."""

    code = "missing_package"


def read(source: str, *, entry: str | None) -> Analysis:
    """Analyse a source and refuse it when it alone is not sound.

    Raises:
        SourceTooLarge, SourceInvalid
    """
    if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        raise SourceTooLarge(f"The source is larger than {MAX_SOURCE_BYTES // 1024} KiB.", most=MAX_SOURCE_BYTES)
    analysis = analyse(source, entry)
    if not analysis.is_sound:
        raise SourceInvalid(analysis.problems)
    return analysis


def dependency_names(analysis: Analysis, *, declared: Collection[str] | None, task_id: UUID | None) -> list[str]:
    """Give the functions that a source calls by name, sorted.

    Raises:
        UnknownDependency: a name is neither defined nor a function that can be seen here; each with its line.
        UnusedDependency: a dependency was declared that the source does not use.
    """
    used = {name.name for name in analysis.calls}
    if unused := sorted(set(declared or ()) - used):
        raise UnusedDependency(f"Declared as a dependency and never used: {', '.join(unused)}.", names=unused)
    known = FunctionVersion.objects.active_by_name(used, task_id=task_id)
    if unknown := [name for name in analysis.calls if name.name not in known]:
        raise _unknown(unknown, task_id)
    return sorted(used)


def parted_pins(declared: Collection[str] | None) -> tuple[list[str], dict[str, int]]:
    """Declared dependencies, of which some name a version: `clean@2`. The names, and the numbers of those.

    Raises:
        BadPin
    """
    names, pins = list[str](), dict[str, int]()
    for each in declared or ():
        name, at, number = each.partition("@")
        names.append(name)
        if at:
            if not _NUMBER.fullmatch(number):
                raise BadPin(f"“{each[:100]}” names no version: write it like {name[:80] or 'clean'}@2.", dependency=each[:200])
            pins[name] = int(number)
    return names, pins


def check_packages(analysis: Analysis, requirements: Collection[str]) -> None:
    """Refuse imports that no requirement brings.

    A requirement whose import name is not known here (`scikit-foo` may bring `foo`) gives every import the benefit of
    the doubt: the first run then tells.

    Raises:
        MissingPackage, BadRequirement
    """
    names = {parse_requirement(requirement).name for requirement in requirements}
    foreign = [item for item in analysis.imports if item.origin == "third_party"]
    missing = [item for item in foreign if not item.is_optional and distribution_of(item.module) not in names]
    if missing and names <= {distribution_of(item.module) for item in foreign}:
        raise _missing(missing)


def distribution_of(module: str) -> str:
    """Give the normalised name of the distribution that most likely brings a module."""
    return canonicalize_name(DISTRIBUTIONS.get(module, module))


def _unknown(names: list[FreeName], task_id: UUID | None) -> UnknownDependency:
    library = list(Function.objects.visible_in(task_id).values_list("name", flat=True)[:MAX_NAMES_COMPARED])
    told: list[dict[str, Any]] = []
    for free in names:
        nearest = difflib.get_close_matches(free.name, library, n=3)
        told.append({"name": free.name, "line": free.line, "column": free.column, "nearest": nearest})
    sentences = [f"Line {item['line']}: {_unknown_sentence(item['name'], item['nearest'])}" for item in told[:5]]
    return UnknownDependency(" ".join(sentences), names=told)


def _unknown_sentence(name: str, nearest: list[str]) -> str:
    if name in sys.stdlib_module_names:
        return f"“{name}” is used and not imported. Add “import {name}”."
    sentence = f"“{name}” is neither defined in the source nor a function of this workspace."
    return f"{sentence} Did you mean {' or '.join(nearest)}?" if nearest else sentence


def _missing(missing: list[Import]) -> MissingPackage:
    told = [{"module": item.module, "line": item.line, "requirement": distribution_of(item.module)} for item in missing]
    sentences = [
        f"Line {item['line']}: “{item['module']}” is not part of Python. Add the requirement “{item['requirement']}”."
        for item in told[:5]
    ]
    return MissingPackage(" ".join(sentences), imports=told)


def _with_place(problem: Problem) -> str:
    return f"Line {problem.line}: {problem.message}" if problem.line else problem.message
