"""A picture as Mermaid text, for wikis, issues and READMEs that draw it."""

from apps.dashboard.pictures.picture import Arrow, Box, Picture
from apps.dashboard.wording import made_visible

SHAPES = {"function": ("[", "]"), "package": ("[[", "]]"), "secret": (">", "]"), "host": ("([", "])")}
"""By kind; what is not here is drawn as a function is."""

MARKED = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\\": "#92;", "\n": " ", "\t": " "}


def as_mermaid(picture: Picture) -> str:
    """A flowchart from left to right. Arrows that are broken or go in a circle are dotted, what is missing says so."""
    names = {box.key: f"n{number}" for number, box in enumerate(picture.boxes, start=1)}
    lines = ["---", f"title: {_quoted(picture.title)}", "---", "flowchart LR"]
    lines += [f"  {names[box.key]}{_box(box)}" for box in picture.boxes]
    lines += [f"  {names[arrow.source]} {_arrow(arrow)} {names[arrow.target]}" for arrow in picture.arrows]
    return "\n".join(lines) + "\n"


def _box(box: Box) -> str:
    opening, closing = SHAPES.get(box.shape, SHAPES["function"])
    words = f"{box.words} (missing)" if box.is_missing else box.words
    return f"{opening}{_quoted(words)}{closing}"


def _arrow(arrow: Arrow) -> str:
    if arrow.is_broken:
        return "-. broken .->"
    return "-. circular .->" if arrow.is_circular else "-->"


def _quoted(words: str) -> str:
    """What the text holds has no meaning for Mermaid, nor for the page that draws it."""
    return '"' + "".join(MARKED.get(character, character) for character in made_visible(words)) + '"'
