"""Shown source is escaped, one piece of HTML per line, and cannot reorder itself."""

from html import unescape
from re import sub

from apps.dashboard.highlighting import HIGHLIGHT_LIMIT, highlighted_lines


def _text(html: str) -> str:
    return unescape(sub(r"<[^>]+>", "", html))


def test_each_line_of_the_source_becomes_one_piece() -> None:
    source = 'def f():\n    """Two\n    lines."""\n\n    return 1\n'
    assert [_text(line) for line in highlighted_lines(source)] == source.splitlines()


def test_blank_lines_at_the_start_keep_the_numbers_right() -> None:
    assert [_text(line) for line in highlighted_lines("\n\nx = 1")] == ["", "", "x = 1"]


def test_markup_in_the_source_is_escaped() -> None:
    assert "<script>" not in "".join(highlighted_lines("x = '<script>alert(1)</script>'\n"))


def test_every_line_closes_what_it_opens() -> None:
    for line in highlighted_lines('x = """a\nb\nc"""\n'):
        assert line.count("<span") == line.count("</span>")


def test_bidi_characters_in_the_source_are_shown() -> None:
    assert "⟨U+202E⟩" in _text("".join(highlighted_lines("# \u202e evil\n")))


def test_very_long_source_is_shown_plain() -> None:
    assert "<span" not in highlighted_lines("x = 1\n" * (HIGHLIGHT_LIMIT // 5))[0]
