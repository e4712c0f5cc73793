"""What the analysis of a source tells."""

from dataclasses import dataclass, field
from typing import Any

from apps.functions.reader.hints import Hint
from apps.functions.reader.imports import Import
from apps.functions.reader.names import FreeName
from apps.functions.reader.pack_calls import PackNote, PackRule
from apps.functions.reader.packs import PackFunction, PackImport
from apps.functions.reader.problems import Problem

__all__ = [
    "Analysis",
    "FreeName",
    "Hint",
    "Import",
    "PackFunction",
    "PackImport",
    "PackNote",
    "PackReading",
    "PackRule",
    "Problem",
]


@dataclass(frozen=True, slots=True)
class Analysis:
    """A source as read from its syntax tree; `entry` is empty and the schemas are empty where problems forbid them.

    `calls` are the names that are used and defined nowhere: other functions, or mistakes. `shape` is the sketch that tells
    whether two sources are alike, see functions.similarity.
    """

    entry: str = ""
    is_async: bool = False
    description: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    output_schema: dict[str, Any] = field(default_factory=dict)
    calls: tuple[FreeName, ...] = ()
    imports: tuple[Import, ...] = ()
    hints: tuple[Hint, ...] = ()
    shape: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether the source can be kept as far as it alone tells."""
        return not self.problems


def from_report(report: dict[str, Any]) -> Analysis:
    """Rebuild the analysis from the JSON that the child process wrote."""
    lists = {
        "calls": tuple(FreeName(**item) for item in report.get("calls", ())),
        "imports": tuple(Import(**item) for item in report.get("imports", ())),
        "hints": tuple(Hint(**item) for item in report.get("hints", ())),
        "shape": tuple(report.get("shape", ())),
        "problems": tuple(Problem(**item) for item in report["problems"]),
    }
    return Analysis(**{**report, **lists})


@dataclass(frozen=True, slots=True)
class PackReading:
    """A pack file as read from its syntax tree; each problem has its line."""

    functions: tuple[PackFunction, ...] = ()
    problems: tuple[Problem, ...] = ()
    rules: tuple[PackRule, ...] = ()
    notes: tuple[PackNote, ...] = ()


def pack_from_report(report: dict[str, Any]) -> PackReading:
    """Rebuild the reading from the JSON that the child process wrote."""
    functions = (
        PackFunction(**{**each, "imports": [PackImport(**item) for item in each["imports"]]})
        for each in report.get("functions", ())
    )
    return PackReading(
        tuple(functions),
        tuple(Problem(**item) for item in report["problems"]),
        tuple(PackRule(**item) for item in report.get("rules", ())),
        tuple(PackNote(**item) for item in report.get("notes", ())),
    )
