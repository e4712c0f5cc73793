"""Comparisons of versions as pages show them: highlighted lines side by side, settings in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from apps.dashboard.forms.functions import RETRY_CHOICES
from apps.dashboard.highlighting import highlighted_lines
from apps.functions.comparison import Comparison, Hunk
from apps.functions.limits import LIMITS
from apps.functions.models import Isolation

MOST_LINES = 4_000
"""Of both sides together; a browser holds no more of them side by side without becoming slow."""


@dataclass(frozen=True)
class Line:
    number: int
    html: SafeString


@dataclass(frozen=True)
class ShownBlock:
    """Lines that are equal (then `old` repeats them for wide screens), or that stand for each other."""

    is_equal: bool
    old: Sequence[Line]
    new: Sequence[Line]


@dataclass(frozen=True)
class ShownHunk:
    skipped: int
    blocks: Sequence[ShownBlock]


@dataclass(frozen=True)
class Word:
    """A part of a setting, and whether only this side has it."""

    text: str
    is_own: bool


@dataclass(frozen=True)
class SettingRow:
    label: str
    before: Sequence[Word]
    after: Sequence[Word]


@dataclass(frozen=True)
class ShownComparison:
    """All that the page of a comparison shows. `left_out` counts lines beyond MOST_LINES."""

    hunks: Sequence[ShownHunk]
    settings: Sequence[SettingRow]
    added: int
    removed: int
    left_out: int
    differs_unseen: bool

    @property
    def is_equal(self) -> bool:
        return not (self.hunks or self.settings or self.differs_unseen)


def shown_comparison(comparison: Comparison) -> ShownComparison:
    """Ready to be drawn by `_components/comparison.html`."""
    old, new = highlighted_lines(comparison.old.source), highlighted_lines(comparison.new.source)
    hunks, left_out, room = list[ShownHunk](), 0, MOST_LINES
    for hunk in comparison.hunks():
        size = sum(len(block.old) + len(block.new) for block in hunk.blocks)
        if size <= room:
            hunks.append(_shown_hunk(hunk, old, new))
        else:
            left_out += size
        room -= size
    return ShownComparison(
        hunks=hunks,
        settings=[_setting_row(change.label, change.name, change.before, change.after) for change in comparison.settings],
        added=comparison.added,
        removed=comparison.removed,
        left_out=left_out,
        differs_unseen=comparison.differs_unseen,
    )


def _shown_hunk(hunk: Hunk, old: Sequence[SafeString], new: Sequence[SafeString]) -> ShownHunk:
    blocks = [ShownBlock(block.is_equal, _lines(block.old, old), _lines(block.new, new)) for block in hunk.blocks]
    return ShownHunk(hunk.skipped, blocks)


def _lines(numbers: Iterable[int], lines: Sequence[SafeString]) -> list[Line]:
    return [Line(number + 1, lines[number]) for number in numbers]


def _setting_row(label: str, name: str, before: Any, after: Any) -> SettingRow:
    texts = [_words(name, value) for value in (before, after)]
    sides = [[Word(text, text not in texts[1 - side]) for text in texts[side]] for side in (0, 1)]
    return SettingRow(label[:1].upper() + label[1:], *sides)


def _words(name: str, value: Any) -> list[str]:
    """What a setting holds, part by part; what a version does not state is as usual."""
    if value is None or value in ([], {}, ""):
        return ["none"] if isinstance(value, list) else ["as usual"]
    if name == "limits":
        return [f"{LIMITS[key].label}: {LIMITS[key].show(amount)}" for key, amount in value.items() if key in LIMITS]
    if name == "retry_class":
        return [dict(RETRY_CHOICES).get(value, value)]
    if name == "isolation":
        return [str(Isolation(value).label)]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, dict):
        return [f"{str(key).replace('_', ' ')}: {part}" for key, part in value.items()]
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]
