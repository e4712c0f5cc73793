"""What a figure says of its target, and how it is drawn."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.figures import Figure, table
from benchmarks.page import sections
from benchmarks.pictures import bars, draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("unit", "value", "is_met"),
    [("ms", 9.0, True), ("ms", 11.0, False), ("runs/s", 11.0, True), ("runs/s", 9.0, False), ("times", 11.0, True)],
)
def test_more_is_better_of_rates_and_less_of_all_else(unit: str, value: float, is_met: bool) -> None:
    assert Figure("runs", "a figure", value, unit, target=10).met is is_met


def test_times_as_long_is_better_the_less_it_is() -> None:
    assert Figure("growth", "a figure", 1.2, "times as long", target=1.5).met is True


def test_an_unmet_target_names_its_bound() -> None:
    assert "**not met**: the processor" in table([Figure("runs", "a figure", 11, "ms", target=10, bound="the processor")])


def test_bars_are_as_long_as_the_figures_are_large() -> None:
    picture = ElementTree.fromstring(bars("A & B", [Figure("runs", "ours < theirs", 25, "ms", "a peer", 100)]))
    ours, theirs = (float(bar.attrib["width"]) for bar in picture.iter(f"{SVG}rect"))
    assert theirs == pytest.approx(4 * ours, rel=0.01)
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts == ["A & B", "ours < theirs", "25 ms", "100 ms, a peer"]


def test_a_picture_has_colours_for_light_and_dark_pages() -> None:
    picture = bars("A", [Figure("runs", "a figure", 1, "ms")])
    light, dark = picture.split("@media (prefers-color-scheme: dark)")
    for kind in (".page", "text", ".small", ".bar", ".beside"):
        colours = [re.findall(rf"{re.escape(kind)} {{[^}}]*fill: (#\w+)", part) for part in (light, dark)]
        assert all(colours)
        assert colours[0] != colours[1]


def test_a_group_that_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    draw([Figure("workers", "a figure", 1, "runs/s")], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["performance-workers.svg"]


def test_a_section_of_the_page_shows_the_picture_and_the_table_of_its_group() -> None:
    text = sections([Figure("boxes", "one", 1, "ms"), Figure("idle", "two", 2, "MiB"), Figure("idle", "three", 3, "MiB")])
    boxes, idle = text.split("## ")[1:]
    assert "](pictures/performance-boxes.svg)" in boxes
    assert "| one | 1 ms |" in boxes
    assert "pictures/" not in idle, "of which none is drawn"
    assert re.findall(r"\| (two|three) \|", idle) == ["two", "three"]
