"""Bars for those who would rather look than read: SVG, made here, readable on a light and on a dark page."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.figures import Figure

WIDTH, MARGIN, BAR, GAP = 760, 16, 18, 14
LETTER = 6.7  # the width of a small one, wherever the page finds its font
STYLE = """
.page { fill: #ffffff }
text { font: 13px system-ui, sans-serif; fill: #1f2937 }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 12px; fill: #4b5563 }
.bar { fill: #2563eb }
.beside { fill: #9ca3af }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  text { fill: #e5e7eb }
  .small { fill: #b6bcc6 }
  .bar { fill: #60a5fa }
  .beside { fill: #6b7280 }
}
"""


@dataclass(frozen=True)
class Chart:
    """Which figures of one group are drawn under which title."""

    group: str
    title: str
    shows: Callable[[Figure], bool]


CHARTS = (
    Chart("boxes", "A line of Python, from handing it in to its result", lambda figure: "p50" in figure.name),
    Chart("runs", "A run over HTTP, with and without a kept box", lambda figure: figure.name.endswith(("p50", "each"))),
    Chart(
        "imports", "A run that uses pandas, its imports done with it and beforehand", lambda figure: figure.peer_value is not None
    ),
    Chart("babyagi", "Stored functions, beside BabyAGI", lambda figure: figure.unit == "ms"),
    Chart("growth", "The same request to a large and to a small installation", lambda figure: figure.unit == "ms"),
    Chart("workers", "The same batch with more workers on two cores", lambda figure: True),
)


def draw(figures: Iterable[Figure], folder: Path) -> None:
    """One file per chart that has figures, named performance-<group>.svg."""
    figures = list(figures)
    for chart in CHARTS:
        shown = [figure for figure in figures if figure.group == chart.group and chart.shows(figure)]
        if shown:
            (folder / file_of(chart.group)).write_text(bars(chart.title, shown))


def file_of(group: str) -> str:
    """The name of the group's picture."""
    return f"performance-{group}.svg"


def bars(title: str, figures: Sequence[Figure]) -> str:
    """One bar per figure, to one scale, and a paler one for what was measured beside it."""
    longest = max(max(figure.value, figure.peer_value or 0.0) for figure in figures) or 1.0
    text_room = 2 * MARGIN + LETTER * max(len(label) for figure in figures for _, _, label in _bars_of(figure))
    pieces, y = [_text(title, MARGIN, MARGIN + 12, "title")], MARGIN + 32
    for figure in figures:
        pieces.append(_text(figure.name, MARGIN, y + 12))
        y += 18
        for kind, value, label in _bars_of(figure):
            length = max(1.0, value / longest * (WIDTH - 2 * MARGIN - text_room))
            pieces.append(f'<rect class="{kind}" x="{MARGIN}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>')
            pieces.append(_text(label, MARGIN + length + 8, y + BAR - 5, "small"))
            y += BAR + 3
        y += GAP
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    page = (
        f'<path class="page" d="M0 0H{WIDTH}V{y}H0Z"/>'  # of its own, since a page need not have the colours that the system has
    )
    return "\n".join([head, f"<style>{STYLE}</style>", page, *pieces, "</svg>", ""])


def _bars_of(figure: Figure) -> Iterator[tuple[str, float, str]]:
    yield "bar", figure.value, f"{figure.value:g} {figure.unit}"
    if figure.peer_value is not None:
        yield "beside", figure.peer_value, f"{figure.peer_value:g} {figure.unit}, {figure.peer}"


def _text(text: str, x: float, y: float, kind: str = "") -> str:
    shape = f' class="{kind}"' if kind else ""
    return f'<text{shape} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
