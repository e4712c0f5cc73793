"""docs/performance.md: what was measured, a section per group, between two marks; the words around it are a person's."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from benchmarks.figures import CHECKOUT, Figure, table
from benchmarks.pictures import CHARTS, draw, file_of

DOCS = CHECKOUT / "docs"
PAGE, PICTURES = DOCS / "performance.md", DOCS / "pictures"
START, END = "<!-- figures -->", "<!-- end of figures -->"


def write(figures: Sequence[Figure]) -> None:
    """Draw the pictures and write the sections anew."""
    draw(figures, PICTURES)
    text = PAGE.read_text()
    before, rest = text.split(START)
    PAGE.write_text(f"{before}{START}\n{sections(figures)}\n{END}{rest.split(END)[1]}")


def sections(figures: Iterable[Figure]) -> str:
    """Per group a heading, its picture if it has one, and its table. The figures are sorted by group."""
    titles = {chart.group: chart.title for chart in CHARTS}
    parts = []
    for group, members in groupby(figures, key=lambda figure: figure.group):
        shown = list(members)
        picture = f"\n![{titles[group]}](pictures/{file_of(group)})\n" if group in titles else ""
        parts.append(f"## {group}\n{picture}\n{table(shown)}\n")
    return "\n".join(parts)
