"""Which functions look alike."""

import pytest

from apps.functions.analysis import analyse
from apps.functions.reader.shape import EMPTY, PLACES
from apps.functions.similarity import ALIKE, bands_of, most_alike, share_in_common

PAGE = '''
def page(text: str) -> str:
    """Make a page."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            lines.append("<h1>" + line.strip("# ") + "</h1>")
        elif line.strip():
            lines.append("<p>" + line.strip() + "</p>")
    return "".join(lines)
'''
RENAMED = """
def document(source):
    found = []
    for row in source.splitlines():  # every row
        if row.startswith("="):
            found.append("<h2>" + row.strip("= ") + "</h2>")
        elif row.strip():
            found.append("<div>" + row.strip() + "</div>")
    return " ".join(found)
"""
OTHER = """
def total(rows: list) -> float:
    result = 0.0
    for row in rows:
        price = float(row["price"]) * int(row["count"])
        result += price
        if result > 100:
            print("much", result)
    return round(result, 2)
"""


def shape(source: str) -> tuple[int, ...]:
    return analyse(source).shape


def test_a_copy_with_other_names_texts_and_comments_looks_like_its_original() -> None:
    assert share_in_common(shape(PAGE), shape(RENAMED)) == 1.0


def test_another_function_does_not() -> None:
    assert share_in_common(shape(PAGE), shape(OTHER)) < 0.3


def test_a_line_more_is_nearly_the_same() -> None:
    longer = PAGE.replace('    return "".join(lines)', '    lines.append("<hr>")\n    return "".join(lines)')
    assert 0.6 < share_in_common(shape(PAGE), shape(longer)) < 1.0


def test_what_is_too_short_looks_like_nothing() -> None:
    assert shape("def one() -> int:\n    return 1\n") == ()
    assert bands_of(()) == []


def test_a_shape_has_its_places_and_a_huge_source_no_more() -> None:
    huge = "def f() -> int:\n" + "".join(f"    x{n} = {n} + f{n % 7}(y, {n})\n" for n in range(3000)) + "    return 1\n"
    assert len(shape(huge)) == PLACES
    assert any(place != EMPTY for place in shape(huge))


def test_the_most_similar_function_of_the_library_is_found(make, save) -> None:
    page = make(PAGE)
    make(OTHER)
    copy = make(RENAMED)
    found = most_alike(page.active_version)
    assert found is not None
    assert (found.function_id, found.name, found.percent) == (copy.pk, "document", 100)
    assert found.share >= ALIKE
    save(copy, OTHER.replace("total", "document"))
    assert most_alike(page.active_version) is None


def test_a_function_is_no_duplicate_of_itself_nor_of_another_workspace_s(make, cast) -> None:
    assert most_alike(make(PAGE).active_version) is None


def test_the_shape_is_no_part_of_the_digest(make) -> None:
    version = make(PAGE).active_version
    version.shape = []
    assert version.compute_digest() == version.digest


@pytest.mark.parametrize("source", [PAGE, RENAMED, OTHER])
def test_the_same_source_has_the_same_shape_every_time(source: str) -> None:
    assert shape(source) == shape(source)
