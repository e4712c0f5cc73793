"""What commands say: text for people, JSON for programs, never what a terminal would obey."""

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import click
from pydantic import BaseModel

CLEAR_LINE = "\r\x1b[K"
SPOKEN = frozenset("\n\t")
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, formats such as turned direction, halves, odd line ends


def plain(text: str) -> str:
    """Text that does nothing to a terminal: what would is shown as an escape."""
    return "".join(
        c if c in SPOKEN or unicodedata.category(c) not in UNSEEN else c.encode("unicode_escape").decode("ascii") for c in text
    )


class Output:
    """`as_json` is set by the option `--json`, which every command has."""

    def __init__(self) -> None:
        self.as_json = False
        self._has_status = False

    def say(self, text: str) -> None:
        """A sentence for people, in the error stream: results stay apart from it."""
        self.clear_status()
        click.echo(plain(text), err=True)

    def text(self, text: str) -> None:
        """A result in text."""
        self.clear_status()
        click.echo(plain(text))

    def log(self, text: str, *, to_errors: bool = False) -> None:
        """A piece of a log, which ends where it ends."""
        self.clear_status()
        click.echo(plain(text), nl=False, err=to_errors)

    def document(self, value: object) -> None:
        """One JSON document, on one line."""
        click.echo(json.dumps(value, default=_as_json))

    def one(self, value: object, in_words: str) -> None:
        """A result: with `--json` the whole of it, else what there is to say."""
        if self.as_json:
            self.document(value)
        else:
            self.text(in_words)

    def give(self, value: object) -> None:
        """A result: with `--json` as it is, else text as text and anything else as JSON that can be read."""
        if self.as_json:
            self.document(value)
        elif isinstance(value, str):
            self.text(value)
        else:
            self.text(json.dumps(value, default=_as_json, indent=2, ensure_ascii=False))

    def rows(self, rows: Iterable[BaseModel], columns: Mapping[str, str], *, nothing: str) -> None:
        """A list: JSON lines, or a table of these fields (field → heading)."""
        if self.as_json:
            for row in rows:
                self.document(row)
            return
        cells = [[_cell(getattr(row, name)) for name in columns] for row in rows]
        if not cells:
            self.say(nothing)
            return
        for line in aligned([list(columns.values()), *cells]):
            self.text(line)

    def status(self, text: str) -> None:
        """A line that the next one takes the place of; nothing where nobody watches."""
        if sys.stderr.isatty() and not self.as_json:
            width = shutil.get_terminal_size().columns - 1
            click.echo(CLEAR_LINE + plain(text)[:width], nl=False, err=True)
            self._has_status = True

    def clear_status(self) -> None:
        if self._has_status:
            click.echo(CLEAR_LINE, nl=False, err=True)
            self._has_status = False


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Columns below each other, two blanks apart."""
    widths = [max(len(line[number]) for line in lines) for number in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return plain(f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else str(value)).replace("\n", " ")


def _as_json(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON.")


def is_interactive() -> bool:
    """Whether somebody is there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
