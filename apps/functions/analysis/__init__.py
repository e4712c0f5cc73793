"""Analysis of a function's source: `analyse(source)` reads it in a child process and never runs it."""

from apps.functions.analysis.process import MAX_SOURCE_BYTES, ReaderFailed, analyse
from apps.functions.analysis.types import Analysis, FreeName, Hint, Import, Problem

__all__ = ["MAX_SOURCE_BYTES", "Analysis", "FreeName", "Hint", "Import", "Problem", "ReaderFailed", "analyse"]
