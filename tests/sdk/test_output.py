"""What comes from boxes and other people does nothing to a terminal."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
import pytest
from click.testing import CliRunner

from selfsmith.cli.output import Output, aligned, plain
from selfsmith.models import Approval

ATTACKS = {
    "colours": "\x1b[31mred",
    "a clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "a title": "\x1b]0;title\x07",
    "eight-bit controls": "\x9b31m",
    "going back": "good\rbad",
    "rubbing out": "good\x08\x08\x08\x08bad",
    "turned direction": "user\u202etxt.exe",
    "invisible": "a\u200bb\u2066c",
    "half a character": "\ud800",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_a_terminal_obeys_comes_through(name: str) -> None:
    shown = plain(ATTACKS[name])
    assert shown.isprintable()
    assert "\\" in shown


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Grüße, 你好, 🙂\n\tzwei Zeilen\n"
    assert plain(text) == text


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - {"half a character"}))  # which no answer can hold
def test_every_way_out_is_plain(name: str) -> None:
    row = approval(ATTACKS[name])

    def speak(out: Output) -> None:
        out.say(ATTACKS[name])
        out.text(ATTACKS[name])
        out.log(ATTACKS[name])
        out.give({"a": ATTACKS[name]})
        out.rows([row], {"reason": "REASON"}, nothing="")
        out.as_json = True
        out.document({"a": ATTACKS[name]})

    shown = run(speak)
    assert all(line.isprintable() for line in shown.split("\n"))


def test_columns_stand_below_each_other() -> None:
    assert aligned([["A", "B"], ["long", "x"]]) == ["A     B", "long  x"]


def test_a_list_is_a_table_or_lines_of_json() -> None:
    row = approval("d\ne")
    table = run(lambda out: out.rows([row], {"kind": "KIND", "reason": "REASON", "task": "TASK"}, nothing=""))
    assert table == "KIND  REASON  TASK\na     d e\n"

    def as_json(out: Output) -> None:
        out.as_json = True
        out.rows([row, row], {"kind": "KIND"}, nothing="")

    first, second = run(as_json).splitlines()
    assert Approval.model_validate_json(first) == Approval.model_validate_json(second) == row


def approval(reason: str) -> Approval:
    return Approval(id=UUID(int=7), kind="a", state="b", digest="c", reason=reason, asked_by="f", task=None)


def run(speak: Any) -> str:
    @click.command()
    def program() -> None:
        speak(Output())

    result = CliRunner().invoke(program)
    assert result.exception is None, result.exception
    return result.output


def test_times_are_told_to_the_second() -> None:
    from selfsmith.models import Collection

    row = Collection(name="a", created_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    assert "2026-01-02 03:04:05\n" in run(lambda out: out.rows([row], {"created_at": "MADE"}, nothing=""))
