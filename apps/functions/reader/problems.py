"""What can be wrong with a source, as plain data that crosses the process border."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a source is refused; `line` and `column` count from 1, 0 means the source as a whole."""

    code: str
    message: str
    line: int = 0
    column: int = 0
    text: str = ""


def from_syntax_error(error: SyntaxError) -> Problem:
    """Tell a syntax error with its place and the line it is on."""
    return Problem(
        code="syntax",
        message=f"Syntax error: {error.msg}.",
        line=error.lineno or 0,
        column=error.offset or 0,
        text=(error.text or "").rstrip("\r\n")[:200],
    )
