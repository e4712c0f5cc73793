"""What a benchmark says: one object per figure, kept in results.json."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results.json"
NOT_PROFILED = "not profiled yet"
AT_LEAST = ("/s", "times")  # units of which more is better; of all others less is


@dataclass(frozen=True)
class Figure:
    """One measured number. `peer_value` was measured in the same run on the same machine unless `peer` says otherwise.

    `target` is None where nothing was promised. `bound` says what limits an unmet one, and how that was found.
    """

    group: str
    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    target: float | None = None
    bound: str = ""

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.unit.endswith(AT_LEAST) else self.value <= self.target


def percentile(values: Sequence[float], percent: int) -> float:
    """By linear interpolation between the ranks; of one value that value."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 1)


def store(figures: Iterable[Figure], measured: Iterable[str]) -> list[Figure]:
    """Replace the figures of the groups that were measured; keep those of the others. Gives all, by group."""
    measured = set(measured)
    kept = [figure for figure in read() if figure.group not in measured]
    whole = sorted([*kept, *figures], key=lambda figure: figure.group)
    rows = [{**asdict(figure), "met": figure.met} for figure in whole]
    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return whole


def read() -> list[Figure]:
    if not RESULTS.exists():
        return []
    return [Figure(**{name: row[name] for name in row if name != "met"}) for row in json.loads(RESULTS.read_text())]


def table(figures: Iterable[Figure]) -> str:
    lines = ["| | figure | beside it | target | |", "|---|---|---|---|---|"]
    for figure in figures:
        peer = f"{figure.peer}: {figure.peer_value:g} {figure.unit}" if figure.peer_value is not None else figure.peer
        target = (
            "" if figure.target is None else f"{'≥' if figure.unit.endswith(AT_LEAST) else '≤'} {figure.target:g} {figure.unit}"
        )
        verdict = {True: "met", False: f"**not met**: {figure.bound}", None: ""}[figure.met]
        lines.append(f"| {figure.name} | {figure.value:g} {figure.unit} | {peer} | {target} | {verdict} |")
    return "\n".join(lines)
