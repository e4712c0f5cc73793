"""What is drawn, whatever it is about: boxes with words, arrows between them, and the place of each."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apps.dashboard.pictures.layout import Place, Size, lay_out

WIDTH, HEIGHT = 190, 36  # of a box, in pixels of a picture that is not magnified
LONGEST_WORDS = 24  # characters of a name that fit into a box; the whole of it stands in its title


@dataclass(frozen=True)
class Box:
    """One thing. `shape` tells its kind, `tone` how it does; `title` says both in words, as does whatever reads it aloud.

    `panel_url` answers with what there is to know about it; without one it cannot be opened.
    """

    key: str
    words: str
    shape: str
    title: str
    tone: str = "idle"
    is_missing: bool = False
    is_faint: bool = False
    panel_url: str = ""

    @property
    def short_words(self) -> str:
        return self.words if len(self.words) <= LONGEST_WORDS else f"{self.words[: LONGEST_WORDS - 1]}…"


@dataclass(frozen=True)
class Arrow:
    """`source` uses, calls or starts `target`, both by key."""

    source: str
    target: str
    is_broken: bool = False
    is_circular: bool = False


@dataclass(frozen=True)
class Picture:
    """Boxes by key, the arrows between them, and (as they are needed) the places of the boxes."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    @cached_property
    def places(self) -> dict[str, Place]:
        """The middle of each box."""
        return lay_out([box.key for box in self.boxes], [(arrow.source, arrow.target) for arrow in self.arrows])

    @property
    def size(self) -> Size:
        """From the upper left corner to the lower right one of everything, with a margin."""
        across = max((place.x for place in self.places.values()), default=0)
        down = max((place.y for place in self.places.values()), default=0)
        return Size(across + WIDTH, down + HEIGHT + 30)

    def as_json(self) -> dict[str, Any]:
        """For the script that draws it on the page."""
        return {
            "boxes": [
                {
                    "id": box.key, "words": box.short_words, "shape": box.shape, "title": box.title, "tone": box.tone,
                    "isMissing": box.is_missing, "isFaint": box.is_faint, "panel": box.panel_url,
                    "x": self.places[box.key].x, "y": self.places[box.key].y,
                }
                for box in self.boxes
            ],
            "arrows": [
                {"source": arrow.source, "target": arrow.target, "isBroken": arrow.is_broken, "isCircular": arrow.is_circular}
                for arrow in self.arrows
            ],
        }  # fmt: skip
