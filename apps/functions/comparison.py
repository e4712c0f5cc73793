"""What differs between two versions: lines of their sources, and all else that a run depends on. Knows no page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apps.functions.examples import example_lines
from apps.functions.models import FunctionVersion

CONTEXT = 3
"""Equal lines that are shown before and after a difference, as diff tools do."""
MOST_EDITS = 1_000
"""Lines removed and added beyond which a source counts as rewritten: the work grows with the square, to 0.5 s here."""
NAMES = {
    "requirements": "packages", "dependencies": "functions it calls", "retry_class": "when it is tried again",
    "retry": "attempts and pauses", "logging": "what is kept of its output", "isolation": "boxes",
    "pins": "pinned versions", "imports_first": "imports beforehand",
    "handling": "answers kept, runs at once, undoing",
}  # fmt: skip
"""What parts of a version are called, where it is not the field's own name."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that both have, or that one has where the other has others. Lines are counted from 0."""

    is_equal: bool
    old: range
    new: range


@dataclass(frozen=True, slots=True)
class Hunk:
    """Blocks that stand close together, after so many equal lines that are not shown."""

    skipped: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs; None stands for what a version has nothing of."""

    name: str
    before: Any
    after: Any

    @property
    def label(self) -> str:
        return NAMES.get(self.name, self.name.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions side by side."""

    old: FunctionVersion
    new: FunctionVersion
    old_lines: tuple[str, ...]
    new_lines: tuple[str, ...]
    blocks: tuple[Block, ...]
    settings: tuple[Change, ...]

    @property
    def removed(self) -> int:
        return sum(len(block.old) for block in self.blocks if not block.is_equal)

    @property
    def added(self) -> int:
        return sum(len(block.new) for block in self.blocks if not block.is_equal)

    @property
    def differs_unseen(self) -> bool:
        """The sources differ in nothing but line ends, which no page shows."""
        return self.old.source != self.new.source and not (self.removed or self.added)

    def summary(self) -> str:
        """One line: "source, lines added and removed, packages"; empty when nothing differs. At most 200 characters."""
        lines = [f"source +{self.added} \N{MINUS SIGN}{self.removed}"] if self.removed or self.added else []
        unseen = ["line ends"] if self.differs_unseen else []
        return ", ".join([*lines, *unseen, *(change.label for change in self.settings)])[:200]

    def hunks(self) -> list[Hunk]:
        """The differences with CONTEXT equal lines around each."""
        found: list[Hunk] = []
        shown_to, blocks = 0, list[Block]()
        for at, block in enumerate(self.blocks):
            if not block.is_equal:
                blocks.append(block)
                continue
            before, after = _ends(block, is_first=at == 0, is_last=at == len(self.blocks) - 1)
            if before is None:
                blocks.append(block)
                continue
            if blocks:
                found.append(Hunk(blocks[0].old.start - shown_to, (*blocks, *before)))
                shown_to = found[-1].blocks[-1].old.stop
            blocks = list(after)
        return [*found, Hunk(blocks[0].old.start - shown_to, tuple(blocks))] if blocks else found

    def unified(self) -> Iterator[str]:
        """The differences of the sources, line by line, as `diff -u` writes them."""
        for hunk in self.hunks():
            old, new = _span(hunk.blocks, "old"), _span(hunk.blocks, "new")
            yield f"@@ -{_place(old)} +{_place(new)} @@"
            for block in hunk.blocks:
                yield from ((" " if block.is_equal else "-") + self.old_lines[number] for number in block.old)
                yield from ("+" + self.new_lines[number] for number in block.new if not block.is_equal)


def compare(old: FunctionVersion, new: FunctionVersion) -> Comparison:
    """Put two versions side by side; neither needs to be saved."""
    old_lines, new_lines = lines_of(old.source), lines_of(new.source)
    blocks = tuple(compare_lines(old_lines, new_lines))
    return Comparison(old, new, old_lines, new_lines, blocks, tuple(_settings(old, new)))


def lines_of(source: str) -> tuple[str, ...]:
    """The lines as an editor numbers them; a last one that is empty is none."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    return tuple(text.removesuffix("\n").split("\n"))


def compare_lines(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """Blocks of equal and of other lines, in order; they cover both."""
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    tail = next((n for n in range(shorter - head) if old[-1 - n] != new[-1 - n]), shorter - head)
    middle = _pairs(old[head : len(old) - tail], new[head : len(new) - tail])
    pairs = [(n, n) for n in range(head)]
    pairs += [(head + x, head + y) for x, y in middle]
    pairs += [(len(old) - n, len(new) - n) for n in range(tail, 0, -1)]
    return _blocks(pairs, len(old), len(new))


def _settings(old: FunctionVersion, new: FunctionVersion) -> Iterator[Change]:
    """What a digest covers beside the source; the arguments, which follow from it and matter to callers; and the examples."""
    before, after = (
        {**each.content(), "arguments": _arguments(each), "examples": example_lines(each.examples)} for each in (old, new)
    )
    for name in dict.fromkeys([*before, *after]):
        if name != "source" and before.get(name) != after.get(name):
            yield Change(name, before.get(name), after.get(name))


def _arguments(version: FunctionVersion) -> list[str]:
    schema = version.input_schema
    required = schema.get("required", [])
    return [name if name in required else f"{name} (optional)" for name in schema.get("properties", {})]


def _pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Which lines of both are the same, by the fewest edits (Myers, An O(ND) difference algorithm, 1986).

    None when it takes more than MOST_EDITS: whoever writes two sources to be slow here gets them shown as rewritten.
    """
    most = min(len(old) + len(new), MOST_EDITS)
    centre = most + 1
    reach, trace = [0] * (2 * centre + 1), list[list[int]]()
    for edits in range(most + 1):
        trace.append(reach[centre - edits - 1 : centre + edits + 2])
        for diagonal in range(-edits, edits + 1, 2):
            x = reach[centre + diagonal + 1]
            if diagonal != -edits and (diagonal == edits or reach[centre + diagonal - 1] >= x):
                x = reach[centre + diagonal - 1] + 1
            y = x - diagonal
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            reach[centre + diagonal] = x
            if x >= len(old) and y >= len(new):
                return _walk_back(trace, len(old), len(new))
    return []


def _walk_back(trace: list[list[int]], x: int, y: int) -> list[tuple[int, int]]:
    """The equal lines on the way that `trace` found: for each number of edits how far each diagonal had come before."""
    pairs = []
    for edits in range(len(trace) - 1, -1, -1):
        reach, here = trace[edits], x - y + edits + 1
        is_down = x - y == -edits or (x - y != edits and reach[here - 1] < reach[here + 1])
        before = x - y + (1 if is_down else -1)
        from_x = reach[before + edits + 1]
        while x > from_x and y > from_x - before:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = from_x, from_x - before
    return pairs[::-1]


def _blocks(pairs: Sequence[tuple[int, int]], old_size: int, new_size: int) -> list[Block]:
    blocks = list[Block]()
    old, new = 0, 0
    for x, y in [*pairs, (old_size, new_size)]:
        if (x, y) != (old, new):
            blocks.append(Block(is_equal=False, old=range(old, x), new=range(new, y)))
        if (x, y) == (old_size, new_size):
            break
        if blocks and blocks[-1].is_equal and (blocks[-1].old.stop, blocks[-1].new.stop) == (x, y):
            last = blocks.pop()
            blocks.append(Block(is_equal=True, old=range(last.old.start, x + 1), new=range(last.new.start, y + 1)))
        else:
            blocks.append(Block(is_equal=True, old=range(x, x + 1), new=range(y, y + 1)))
        old, new = x + 1, y + 1
    return blocks


def _ends(block: Block, *, is_first: bool, is_last: bool) -> tuple[tuple[Block, ...] | None, tuple[Block, ...]]:
    """What is shown of equal lines: after the difference above, before the one below; None when all of it is."""
    keep_before, keep_after = 0 if is_first else CONTEXT, 0 if is_last else CONTEXT
    if len(block.old) <= keep_before + keep_after:
        return None, ()
    before = Block(is_equal=True, old=block.old[:keep_before], new=block.new[:keep_before])
    start = len(block.old) - keep_after
    after = Block(is_equal=True, old=block.old[start:], new=block.new[start:])
    return tuple(b for b in (before,) if b.old), tuple(b for b in (after,) if b.old)


def _span(blocks: Sequence[Block], side: str) -> range:
    return range(getattr(blocks[0], side).start, getattr(blocks[-1], side).stop)


def _place(lines: range) -> str:
    """As `diff -u` counts: from 1, and the line before when there is none."""
    return f"{lines.start + (1 if lines else 0)},{len(lines)}"
