"""A picture as an SVG file that stands by itself: no script, no font, nothing fetched; readable on light and dark pages."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from apps.dashboard.pictures.layout import Place
from apps.dashboard.pictures.picture import HEIGHT, WIDTH, Arrow, Box, Picture
from apps.dashboard.wording import made_visible

# A file that leaves the platform carries its colours itself: those of static/css/tokens.css.
STYLE = """
.page { fill: #f7f8fa }
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #171b26 }
.box { fill: #ffffff; stroke: #8a93a5; stroke-width: 1.5 }
.package, .event { fill: #eef0f4 }
.secret, .rule { fill: #fdf3dc }
.host { fill: #e8f2fd }
.good { stroke: #18794e }
.waiting { stroke: #925f00; stroke-dasharray: 6 3 }
.bad { stroke: #c02b37; stroke-width: 3 }
.missing { fill: #fdecee; stroke: #c02b37; stroke-dasharray: 4 3 }
.faint { opacity: .55 }
.arrow { fill: none; stroke: #8a93a5; stroke-width: 1.2 }
.wrong { stroke: #c02b37; stroke-width: 2; stroke-dasharray: 5 4 }
.head { fill: #8a93a5 }
.wrong-head { fill: #c02b37 }
@media (prefers-color-scheme: dark) {
  .page { fill: #0e1116 }
  text { fill: #e6e9f0 }
  .box { fill: #151920; stroke: #6b7587 }
  .package, .event { fill: #222833 }
  .secret, .rule { fill: #2f2613 }
  .host { fill: #13263a }
  .good { stroke: #4cc38a }
  .waiting { stroke: #f0b94b }
  .bad, .missing, .wrong { stroke: #ff8b93 }
  .missing { fill: #351a1f }
  .wrong-head { fill: #ff8b93 }
}
"""
USUAL_CORNER = 6
CORNERS = {"host": HEIGHT / 2, "call": HEIGHT / 2, "secret": 12, "package": 0, "event": 0, "rule": USUAL_CORNER}
"""Of a box by kind; a function's are the usual ones."""


def as_svg(picture: Picture) -> str:
    """The picture at its natural size, its title and those of the boxes in words for whoever cannot see it."""
    width, height = (f"{length:g}" for length in picture.size)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{_text(picture.title)}</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{_head('head')}{_head('wrong-head')}</defs>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *(_arrow(arrow, picture.places) for arrow in picture.arrows),
        *(_box(box, picture.places[box.key]) for box in picture.boxes),
        "</svg>\n",
    ])  # fmt: skip


def _box(box: Box, place: Place) -> str:
    looks = " ".join(_looks(box))
    corner = CORNERS.get(box.shape, USUAL_CORNER)
    x, y = place.x - WIDTH / 2, place.y - HEIGHT / 2
    return (
        f"<g{' class="faint"' if box.is_faint else ''}><title>{_text(box.title)}</title>"
        f'<rect class="{looks}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="{corner:g}"/>'
        f'<text x="{place.x:g}" y="{place.y + 4:g}" text-anchor="middle">{_text(box.short_words)}</text></g>'
    )


def _looks(box: Box) -> Iterator[str]:
    yield "box"
    if box.shape in CORNERS:
        yield box.shape
    if box.is_missing:
        yield "missing"
    elif box.tone != "idle":
        yield box.tone


def _head(name: str) -> str:
    """The tip of an arrow, as large on a thick line as on a thin one."""
    size = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"'
    return f'<marker id="{name}" {size}><path class="{name}" d="M0 0 8 4 0 8z"/></marker>'


def _arrow(arrow: Arrow, places: dict[str, Place]) -> str:
    looks, head = ("arrow wrong", "wrong-head") if arrow.is_broken or arrow.is_circular else ("arrow", "head")
    return f'<path class="{looks}" d="{_route(places[arrow.source], places[arrow.target])}" marker-end="url(#{head})"/>'


def _route(start: Place, end: Place) -> str:
    """From the right edge of the one to the left edge of the other; what goes back, in a circle, leaves and arrives below."""
    if end.x - start.x < WIDTH:
        y1, y2 = start.y + HEIGHT / 2, end.y + HEIGHT / 2
        lowest = max(y1, y2) + HEIGHT
        return f"M{start.x:g} {y1:g}C{start.x:g} {lowest:g} {end.x:g} {lowest:g} {end.x:g} {y2:g}"
    x1, x2 = start.x + WIDTH / 2, end.x - WIDTH / 2
    bend = max(30.0, (x2 - x1) / 2)
    return f"M{x1:g} {start.y:g}C{x1 + bend:g} {start.y:g} {x2 - bend:g} {end.y:g} {x2:g} {end.y:g}"


def _text(words: str) -> str:
    return escape(made_visible(words))
