"""What a person reads is right at the edges, and what a box says cannot disguise itself."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dashboard import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 ms"),
        (0.4804, "480 ms"),
        (3.21, "3.2 s"),
        (timedelta(minutes=4, seconds=5), "4 min 5 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_duration_reads_in_its_largest_units(value: timedelta | float | None, text: str) -> None:
    assert wording.as_duration(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "not known"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20 * 1024**2, "20.0 MiB"), (3 * 1024**3, "3.0 GiB")],
)
def test_a_size_reads_in_binary_units(count: int | None, text: str) -> None:
    assert wording.as_size(count) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(None, "not known"), (0, "$0.00"), (Decimal("0.0123"), "$0.0123"), (1234.5, "$1,234.50")]
)
def test_an_unknown_price_is_never_shown_as_nothing(amount: Decimal | float | None, text: str) -> None:
    assert wording.as_money(amount) == text


def test_bidi_and_control_characters_are_written_out() -> None:
    assert wording.made_visible("a\u202eb\x1b[31m\u200b\r") == "a⟨U+202E⟩b⟨U+001B⟩[31m⟨U+200B⟩⟨U+000D⟩"


def test_ordinary_text_of_any_script_stays_as_it_is() -> None:
    text = "Grüße, 世界 🎉\tनमस्ते\nnext line\u00a0"
    assert wording.made_visible(text) == text


@given(st.text())
def test_nothing_that_reorders_or_hides_text_gets_through(text: str) -> None:
    shown = wording.made_visible(text)
    assert not set(shown) & set("\x00\x07\x08\x1b\x7f\u061c\u200b\u200e\u200f\u202a\u202d\u202e\u2066\u2069\ufeff")
