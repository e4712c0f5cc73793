"""How long runs took, over time: the places of the dots, the lines behind them, and the same in words. Knows no HTML."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from django.utils import timezone

from apps.dashboard.states import look_of
from apps.dashboard.wording import as_duration
from apps.functions.models import Function
from apps.runs.models import RunQuerySet

MOST_DOTS = 400
LEFT, RIGHT, TOP, BOTTOM = 2.0, 98.0, 6.0, 94.0  # percent of the drawing between which dots lie
SHORTEST = 0.001  # seconds; a logarithm knows no zero
NARROWEST = timedelta(minutes=1)
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
TIME_TICKS = 3


@dataclass(frozen=True)
class Timed:
    """A run that has started."""

    run_id: UUID
    name: str
    state: str
    started_at: datetime
    seconds: float


@dataclass(frozen=True)
class Dot:
    """Places are in percent, from the left and from the top."""

    run_id: UUID
    x: float
    y: float
    tone: str
    title: str


@dataclass(frozen=True)
class Tick:
    place: float
    words: str


@dataclass(frozen=True)
class InWords:
    """The runs of one state."""

    state: str
    count: int
    shortest: float
    middle: float
    longest: float
    longest_id: UUID


@dataclass(frozen=True)
class Scatter:
    """`is_cut`: there are more runs than `dots`, which are the newest."""

    dots: tuple[Dot, ...]
    times: tuple[Tick, ...]
    durations: tuple[Tick, ...]
    in_words: tuple[InWords, ...]
    is_log: bool
    is_cut: bool


def scatter_of(rows: RunQuerySet, *, now: datetime, is_log: bool) -> Scatter | None:
    """Two queries. None when none of the runs has started."""
    names = ("pk", "function_id", "state", "started_at", "finished_at")
    found = list(rows.filter(started_at__isnull=False).order_by("-pk").values_list(*names)[: MOST_DOTS + 1])
    functions = Function.objects.only("name").in_bulk({row[1] for row in found})
    runs = [
        Timed(pk, functions[function_id].name, state, started_at, max(0.0, ((finished_at or now) - started_at).total_seconds()))
        for pk, function_id, state, started_at, finished_at in found[:MOST_DOTS]
    ]
    return draw(runs, is_log=is_log, is_cut=len(found) > MOST_DOTS) if runs else None


def draw(runs: Sequence[Timed], *, is_log: bool, is_cut: bool = False) -> Scatter:
    """Raises: ValueError without any run."""
    longest, shortest = max(run.seconds for run in runs), min(run.seconds for run in runs)
    scale = _Logarithmic(shortest, longest) if is_log else _Linear(longest)
    first, last = _span(runs)
    dots = (
        Dot(run.run_id, _across(run.started_at, first, last), _down(scale.share(run.seconds)), _tone(run), _title(run))
        for run in sorted(runs, key=lambda run: (run.started_at, run.run_id))
    )
    durations = tuple(Tick(_down(scale.share(seconds)), as_duration(seconds)) for seconds in scale.marks())
    return Scatter(tuple(dots), tuple(_times(first, last)), durations, tuple(_in_words(runs)), is_log, is_cut)


class _Linear:
    """From nothing to a round number above the longest."""

    def __init__(self, longest: float) -> None:
        rough = max(longest, SHORTEST) / 4
        magnitude = 10.0 ** math.floor(math.log10(rough))
        self._step: float = next(step * magnitude for step in STEPS if step * magnitude >= rough * (1 - 1e-9))

    def share(self, seconds: float) -> float:
        return seconds / (4 * self._step)

    def marks(self) -> list[float]:
        return [self._step * number for number in range(5)]


class _Logarithmic:
    """Between powers of ten."""

    def __init__(self, shortest: float, longest: float) -> None:
        self._low = math.floor(math.log10(max(shortest, SHORTEST)))
        self._high = max(math.ceil(math.log10(max(longest, SHORTEST))), self._low + 1)

    def share(self, seconds: float) -> float:
        return (math.log10(max(seconds, SHORTEST)) - self._low) / (self._high - self._low)

    def marks(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]


def _span(runs: Iterable[Timed]) -> tuple[datetime, datetime]:
    times = [run.started_at for run in runs]
    first, last = min(times), max(times)
    missing = NARROWEST - (last - first)
    return (first - missing / 2, last + missing / 2) if missing > timedelta(0) else (first, last)


def _across(at: datetime, first: datetime, last: datetime) -> float:
    return round(LEFT + (RIGHT - LEFT) * ((at - first) / (last - first)), 2)


def _down(share: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * share, 2)


def _times(first: datetime, last: datetime) -> Iterable[Tick]:
    for number in range(TIME_TICKS):
        at = first + (last - first) * number / (TIME_TICKS - 1)
        yield Tick(_across(at, first, last), _moment(at, last - first))


def _moment(at: datetime, span: timedelta) -> str:
    local = timezone.localtime(at)
    if span < timedelta(minutes=10):
        return f"{local:%H:%M:%S}"
    if span < timedelta(days=1):
        return f"{local:%H:%M}"
    return f"{local:%d %b, %H:%M}" if span < timedelta(days=4) else f"{local:%d %b}"


def _tone(run: Timed) -> str:
    return look_of(run.state).tone


def _title(run: Timed) -> str:
    at = timezone.localtime(run.started_at)
    return f"{run.name}, {look_of(run.state).word.lower()}, {as_duration(run.seconds)}, {at:%d %b %Y, %H:%M:%S}"


def _in_words(runs: Sequence[Timed]) -> Iterable[InWords]:
    """Per state, the most frequent first."""
    by_state: dict[str, list[Timed]] = {}
    for run in runs:
        by_state.setdefault(run.state, []).append(run)
    for state, alike in sorted(by_state.items(), key=lambda pair: -len(pair[1])):
        seconds = [run.seconds for run in alike]
        longest = max(alike, key=lambda run: run.seconds)
        yield InWords(state, len(alike), min(seconds), median(seconds), longest.seconds, longest.run_id)
