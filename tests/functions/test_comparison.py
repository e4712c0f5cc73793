"""What differs between two versions: told by the fewest lines, whole, and never at the price of a server's time."""

import random
import time

import pytest

from apps.functions import comparison as comparison_module
from apps.functions.comparison import Block, compare, compare_lines, lines_of
from apps.functions.definition import Settings
from apps.functions.models import FunctionVersion, Isolation

FORTY = "".join(f"line {number}\n" for number in range(1, 41))


def version(source: str = "", **fields: object) -> FunctionVersion:
    return FunctionVersion(source=source, entry="f", input_schema={}, output_schema={}, retry_class="on_lost", **fields)


def rebuilt(blocks: list[Block], old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    for block in blocks:
        if block.is_equal:
            assert [old[n] for n in block.old] == [new[n] for n in block.new]
    return [old[n] for block in blocks for n in block.old], [new[n] for block in blocks for n in block.new]


def common(old: list[str], new: list[str]) -> int:
    """Length of the longest common subsequence, by the table that everybody knows."""
    row = [0] * (len(new) + 1)
    for line in old:
        above = row[:]
        for at, other in enumerate(new, start=1):
            row[at] = above[at - 1] + 1 if line == other else max(above[at], row[at - 1])
    return row[-1]


@pytest.mark.parametrize("seed", range(60))
def test_blocks_cover_both_sides_with_as_few_changed_lines_as_can_be(seed: int) -> None:
    dice = random.Random(seed)
    old, new = ([dice.choice("abcd") for _ in range(dice.randint(0, 25))] for _ in range(2))
    blocks = compare_lines(old, new)
    assert rebuilt(blocks, old, new) == (old, new)
    assert sum(len(block.old) for block in blocks if block.is_equal) == common(old, new)


def test_a_change_is_told_with_three_lines_around_it_as_diff_does() -> None:
    told = list(compare(version(FORTY), version(FORTY.replace("line 20\n", "line twenty\nand more\n"))).unified())
    assert told == [
        "@@ -17,7 +17,8 @@",
        " line 17", " line 18", " line 19", "-line 20", "+line twenty", "+and more", " line 21", " line 22", " line 23",
    ]  # fmt: skip


def test_lines_at_both_ends_are_told_with_what_stands_beside_them() -> None:
    told = list(compare(version(FORTY), version(f"first\n{FORTY}last\n")).unified())
    assert told == [
        "@@ -1,3 +1,4 @@", "+first", " line 1", " line 2", " line 3",
        "@@ -38,3 +39,4 @@", " line 38", " line 39", " line 40", "+last",
    ]  # fmt: skip


def test_two_changes_far_apart_are_two_hunks_and_the_lines_between_are_counted() -> None:
    changed = FORTY.replace("line 5\n", "").replace("line 35\n", "line 35\nnew\n")
    first, second = compare(version(FORTY), version(changed)).hunks()
    assert (first.skipped, first.blocks[0].old[0], first.blocks[-1].old[-1]) == (1, 1, 7)
    assert (second.skipped, second.blocks[0].old[0]) == (24, 32)


def test_a_source_from_nothing_and_to_nothing_is_told() -> None:
    assert list(compare(version(""), version("a\nb\n")).unified()) == ["@@ -1,1 +1,2 @@", "-", "+a", "+b"]
    assert compare(version("a\n"), version("a\n")).hunks() == []


def test_line_ends_that_cannot_be_seen_are_told_in_words() -> None:
    compared = compare(version("a\nb\n"), version("a\r\nb"))
    assert (compared.hunks(), compared.differs_unseen, compared.summary()) == ([], True, "line ends")
    assert lines_of("a\rb\r\nc\n\n") == ("a", "b", "c", "")


@pytest.mark.parametrize("alphabet", ["ab", "abcdefghijklmnopqrstuvwxyz"])
def test_sources_made_to_be_slow_are_shown_as_rewritten(alphabet: str) -> None:
    dice = random.Random(7)
    old, new = ([dice.choice(alphabet) for _ in range(60_000)] for _ in range(2))
    begun = time.process_time()
    blocks = compare_lines(old, new)
    assert time.process_time() - begun < 5  # some 0.5 s; by the square of the lines it would be hours
    assert rebuilt(blocks, old, new) == (old, new)
    assert [block.is_equal for block in blocks].count(False) == 1


def test_up_to_the_limit_every_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_module, "MOST_EDITS", 4)
    few = compare_lines(list("axbxc"), list("aybyc"))
    many = compare_lines(list("axbxcxd"), list("aybycyd"))
    assert [block.is_equal for block in few] == [True, False, True, False, True]
    assert [block.is_equal for block in many] == [True, False, True]


def test_every_setting_that_a_digest_covers_is_compared() -> None:
    old = version("a", requirements=["pandas"], limits={"wall_seconds": 5})
    old.input_schema = {"properties": {"a": {}, "b": {}}, "required": ["a"]}
    new = version("a", requirements=["pandas", "yaml"], secrets=["KEY"], isolation=Isolation.FUNCTION)
    told = {change.name: (change.before, change.after) for change in compare(old, new).settings}
    assert told == {
        "requirements": (["pandas"], ["pandas", "yaml"]),
        "secrets": ([], ["KEY"]),
        "limits": ({"wall_seconds": 5}, {}),
        "isolation": (None, "function"),
        "arguments": (["a", "b (optional)"], []),
    }
    assert compare(old, new).summary() == "packages, secrets, limits, arguments, boxes"


def test_a_saved_version_says_in_one_line_what_is_new(make, save) -> None:
    function = make("def f(): ...\n")
    assert function.active_version.changes == "first version"
    second = save(function, "def f():\n    return 1\n", settings=Settings(limits={"wall_seconds": 5}), note="It gives one.")
    assert (second.note, second.changes) == ("It gives one.", "source +2 \N{MINUS SIGN}1, limits")
