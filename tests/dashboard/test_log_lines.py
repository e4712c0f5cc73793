"""Output as lines, whatever pieces it came in."""

from datetime import UTC, datetime

from apps.dashboard.log_lines import LogLine, lines_of
from apps.dashboard.templatetags.ui import last_seq
from apps.runs.models import LogChunk

AT = datetime(2026, 1, 1, tzinfo=UTC)


def lines(*pieces: tuple[str, str]) -> list[LogLine]:
    return lines_of(LogChunk(attempt=1, seq=seq, stream=stream, at=AT, text=text) for seq, (stream, text) in enumerate(pieces, 1))


def test_one_piece_may_hold_many_lines_empty_ones_too() -> None:
    assert [(line.text, line.is_whole) for line in lines(("stdout", "a\n\nb\n"))] == [("a", True), ("", True), ("b", True)]


def test_a_line_in_pieces_is_one_line_though_another_stream_speaks_between() -> None:
    found = lines(("stdout", "begin"), ("stderr", "oh\n"), ("stdout", " end\nnext"))
    assert [(line.stream, line.text) for line in found] == [("stdout", "begin end"), ("stderr", "oh"), ("stdout", "next")]
    assert last_seq(found) == 3


def test_only_a_line_feed_ends_a_line() -> None:
    assert [line.text for line in lines(("stdout", "a\rb\u2028c\x0cd\n"))] == ["a\rb\u2028c\x0cd"]


def test_the_same_stream_of_another_attempt_begins_a_line_of_its_own() -> None:
    chunks = [LogChunk(attempt=number, seq=number, stream="stdout", at=AT, text=f"try {number}") for number in (1, 2)]
    assert [line.text for line in lines_of(chunks)] == ["try 1", "try 2"]
