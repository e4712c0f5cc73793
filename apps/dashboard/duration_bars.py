"""How long the latest runs of a function took, as a row of bars: one SVG drawn by the template, without a script."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apps.dashboard.states import look_of
from apps.dashboard.wording import as_duration
from apps.runs.health import Ended, Record

WIDTH, HEIGHT = 600, 64
_GAP, _LEAST, _WIDEST = 1, 3, 12


@dataclass(frozen=True, slots=True)
class Bar:
    """One run: its place in the picture, what to say of it, its tone and where it leads."""

    run: Ended
    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Bars:
    """The whole row, with the words for those who do not see it."""

    bars: Sequence[Bar]
    text: str
    width: int = WIDTH
    height: int = HEIGHT


def duration_bars(record: Record) -> Bars:
    """A bar per run, oldest left. Heights are logarithmic: one slow run does not make all others look alike."""
    runs = record.runs
    step = min(WIDTH / len(runs), _WIDEST) if runs else WIDTH
    longest = max((each.seconds or 0.0 for each in runs), default=0.0)
    bars = [_bar(each, number * step, step, longest) for number, each in enumerate(runs)]
    failed = sum(not each.went_well for each in runs)
    return Bars(bars, f"The last {len(runs)} runs from left to right, the longest {as_duration(longest)}; {failed} failed.")


def _bar(run: Ended, x: float, step: float, longest: float) -> Bar:
    look = look_of(run.state)
    share = math.log1p(1000 * (run.seconds or 0.0)) / math.log1p(1000 * longest) if longest else 0.0
    height = max(_LEAST, round(share * HEIGHT, 1))
    ended = f", {run.at:%d %b %Y, %H:%M}" if run.at else ""
    title = f"{look.word}, {as_duration(run.seconds)}{ended}"
    return Bar(run, round(x, 2), HEIGHT - height, round(max(step - _GAP, 0.5), 2), height, look.tone, title)
