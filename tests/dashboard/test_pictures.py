"""Graphs as pictures: where everything stands, and the files."""

import re
import time
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dashboard.pictures import Arrow, Box, Picture, as_mermaid, as_svg, lay_out
from apps.dashboard.pictures.layout import ACROSS, DOWN
from apps.dashboard.pictures.picture import HEIGHT, LONGEST_WORDS, WIDTH

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = 'a\\"]; click n1 "javascript:x" <script>&\u202e`#'
NUMBERS = st.integers(min_value=0, max_value=29)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=60)


def picture(*names: str, arrows: tuple[Arrow, ...] = (), **fields: object) -> Picture:
    boxes = tuple(Box(name, name, "function", f"{name}: function", **fields) for name in names)
    return Picture("What uses what in Acme", boxes, arrows)


@given(PAIRS)
def test_every_box_has_a_place_where_no_other_box_is(pairs: list[tuple[int, int]]) -> None:
    keys = [f"k{number}" for number in range(30)]
    places = lay_out(keys, [(f"k{source}", f"k{target}") for source, target in pairs])
    assert set(places) == set(keys)
    found = sorted(places.values())
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT


@given(PAIRS)
def test_arrows_point_to_the_right_where_nothing_goes_in_a_circle(pairs: list[tuple[int, int]]) -> None:
    arrows = [(f"k{min(pair):02}", f"k{max(pair):02}") for pair in pairs if pair[0] != pair[1]]
    places = lay_out([f"k{number:02}" for number in range(30)], arrows)
    assert all(places[source].x < places[target].x for source, target in arrows)


@given(PAIRS)
def test_the_same_graph_is_laid_out_the_same_whatever_order_it_comes_in(pairs: list[tuple[int, int]]) -> None:
    keys = [f"k{number:02}" for number in range(30)]
    arrows = [(keys[source], keys[target]) for source, target in pairs]
    assert lay_out(keys, arrows) == lay_out(keys[::-1], arrows[::-1])


def test_a_long_column_is_broken_so_that_the_picture_stays_wide_rather_than_high() -> None:
    keys = [f"k{number}" for number in range(301)]
    places = lay_out(keys, [(key, "k0") for key in keys[1:]])
    across = max(place.x for place in places.values()) - min(place.x for place in places.values())
    down = max(place.y for place in places.values()) - min(place.y for place in places.values())
    assert 1 < across / down < 4


def test_what_stands_alone_fills_a_block() -> None:
    places = lay_out([f"k{number}" for number in range(100)], [])
    assert max(place.x for place in places.values()) < 12 * ACROSS
    assert max(place.y for place in places.values()) < 30 * DOWN


def test_two_thousand_boxes_are_laid_out_before_anybody_notices() -> None:
    keys = [f"k{number}" for number in range(2000)]
    arrows = [(f"k{number}", f"k{number // 3}") for number in range(1, 2000)] + [
        (f"k{number}", "k7") for number in range(8, 2000, 2)
    ]
    began = time.process_time()
    lay_out(keys, arrows)
    assert time.process_time() - began < 1


def test_an_empty_picture_is_one_too() -> None:
    assert ElementTree.fromstring(as_svg(picture())).tag == f"{SVG}svg"
    assert as_mermaid(picture()).endswith("flowchart LR\n")


def test_svg_has_a_box_with_its_title_for_each_thing_and_an_arrow_for_each_use() -> None:
    root = ElementTree.fromstring(as_svg(picture("report", "fetch", arrows=(Arrow("report", "fetch"),))))
    assert [title.text for title in root.iter(f"{SVG}title")] == ["What uses what in Acme", "report: function", "fetch: function"]
    assert len([path for path in root.iter(f"{SVG}path") if path.get("class") == "arrow"]) == 1
    assert float(root.get("width", 0)) > 2 * WIDTH


def test_svg_marks_what_is_broken_circular_missing_and_how_it_does() -> None:
    root = ElementTree.fromstring(
        as_svg(picture("a", "b", arrows=(Arrow("a", "b", is_broken=True), Arrow("b", "a", is_circular=True)), tone="bad"))
    )
    assert {path.get("class") for path in root.iter(f"{SVG}path")} == {"head", "wrong-head", "arrow wrong"}
    assert [box.get("class") for box in root.iter(f"{SVG}rect")] == ["page", "box bad", "box bad"]
    missing = ElementTree.fromstring(as_svg(picture("a", is_missing=True)))
    assert [box.get("class") for box in missing.iter(f"{SVG}rect")] == ["page", "box missing"]


def test_an_arrow_that_goes_back_leaves_and_arrives_below_its_boxes() -> None:
    both = picture("a", "b", arrows=(Arrow("a", "b", is_circular=True), Arrow("b", "a", is_circular=True)))
    forth, back = re.findall(r'd="M(\S+) (\S+)C', as_svg(both))
    a, b = both.places["a"], both.places["b"]
    assert (float(forth[0]), float(forth[1])) == (a.x + WIDTH / 2, a.y)
    assert (float(back[0]), float(back[1])) == (b.x, b.y + HEIGHT / 2)


def test_hostile_names_stay_text_in_svg() -> None:
    root = ElementTree.fromstring(as_svg(picture(HOSTILE)))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "style", "defs", "marker", "path", "rect", "g", "text",
    }  # fmt: skip
    assert "⟨U+202E⟩" in "".join(root.itertext())


def test_svg_fetches_nothing_and_runs_nothing() -> None:
    text = as_svg(picture("a"))
    assert re.findall(r"href|@import|url\((?!#)|<script|\son\w+=", text) == []


def test_mermaid_names_boxes_by_number_and_quotes_their_words() -> None:
    lines = as_mermaid(picture("report", "fetch", arrows=(Arrow("report", "fetch"),))).splitlines()
    assert lines[3:] == ["flowchart LR", '  n1["report"]', '  n2["fetch"]', "  n1 --> n2"]


def test_mermaid_says_what_is_missing_broken_and_circular() -> None:
    text = as_mermaid(
        picture("a", "b", arrows=(Arrow("a", "b", is_broken=True), Arrow("b", "a", is_circular=True)), is_missing=True)
    )
    assert 'n1["a (missing)"]' in text
    assert "n1 -. broken .-> n2" in text
    assert "n2 -. circular .-> n1" in text


def test_hostile_names_stay_text_in_mermaid() -> None:
    (box,) = as_mermaid(picture(HOSTILE)).splitlines()[4:]
    assert re.fullmatch(r'  n1\["[^"<>`\\]*"\]', box)
    assert "⟨U+202E⟩" in box


@pytest.mark.parametrize(("length", "ending"), [(LONGEST_WORDS, "x"), (LONGEST_WORDS + 1, "…")])
def test_a_name_that_does_not_fit_is_cut_and_whole_in_the_title(length: int, ending: str) -> None:
    box = Box("k", "x" * length, "function", "x" * length)
    assert len(box.short_words) == LONGEST_WORDS
    assert box.short_words.endswith(ending)
