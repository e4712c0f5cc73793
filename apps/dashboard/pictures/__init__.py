"""Graphs as pictures: where everything stands, and how it is written for the page, as SVG and as Mermaid."""

from apps.dashboard.pictures.layout import Size, lay_out
from apps.dashboard.pictures.mermaid import as_mermaid
from apps.dashboard.pictures.picture import Arrow, Box, Picture
from apps.dashboard.pictures.svg import as_svg

__all__ = ["Arrow", "Box", "Picture", "Size", "as_mermaid", "as_svg", "lay_out"]
