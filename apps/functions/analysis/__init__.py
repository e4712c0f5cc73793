"""Analysis of a function's source: `analyse(source)` reads it in a child process and never runs it."""

from apps.functions.analysis.process import MAX_SOURCE_BYTES, ReaderFailed, analyse, analyse_pack
from apps.functions.analysis.types import (
    Analysis,
    FreeName,
    Hint,
    Import,
    PackFunction,
    PackNote,
    PackReading,
    PackRule,
    Problem,
)

__all__ = [
    "MAX_SOURCE_BYTES", "Analysis", "FreeName", "Hint", "Import", "PackFunction", "PackNote", "PackReading", "PackRule",
    "Problem", "ReaderFailed", "analyse", "analyse_pack",
]  # fmt: skip
