"""Takes secrets out of output before anything is stored or shown. A seatbelt: code can disguise what it knows.

Time is linear in the output, whatever the secrets and the output are: both may come from somebody hostile.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from apps.vault.patterns import LONGEST, SHORTEST, patterns_of

MASK = b"***"
_CUT = re.compile(r"(\.\.\.|…)")  # as reprlib and the pages' own shortening write it


class Mask:
    """What is looked for, prepared once; several streams share it. Its repr tells nothing."""

    def __init__(self, values: Iterable[str]) -> None:
        self._patterns = patterns_of(values)
        self._sorted = sorted(self._patterns)
        lengths: dict[bytes, set[int]] = defaultdict(set)
        for pattern in self._patterns:
            lengths[pattern[:SHORTEST]].add(len(pattern))
        self._lengths = {start: sorted(found, reverse=True) for start, found in lengths.items()}

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def find(self, data: bytes, end: int) -> list[tuple[int, int]]:
        """(start, end) of what has to be masked and begins before `end`, by start; neighbours and overlaps are one."""
        found: list[tuple[int, int]] = []
        starts = self._lengths
        for start in [at for at in range(end) if data[at : at + SHORTEST] in starts]:
            for length in starts[data[start : start + SHORTEST]]:
                # At the end of the data a longer pattern's slice is cut short, and may then equal a shorter one.
                if start + length <= len(data) and data[start : start + length] in self._patterns:
                    _join(found, start, start + length)
                    break
        return found

    def undecided_from(self, data: bytes) -> int:
        """Where the longest end of `data` begins that more data could make a pattern; its length when there is none."""
        for start in range(max(0, len(data) - LONGEST + 1), len(data)):
            if self._may_grow(data[start:]):
                return start
        return len(data)

    def _may_grow(self, tail: bytes) -> bool:
        """Whether a pattern begins with `tail` and goes on."""
        if len(tail) >= SHORTEST and tail[:SHORTEST] not in self._lengths:
            return False
        place = bisect_left(self._sorted, tail)
        if place < len(self._sorted) and self._sorted[place] == tail:
            place += 1  # complete already; a longer one that begins alike would follow it
        return place < len(self._sorted) and self._sorted[place].startswith(tail)

    def mask_bytes(self, data: bytes) -> bytes:
        masker = Masker(self)
        return masker.feed(data) + masker.flush()

    def mask_text(self, text: str) -> str:
        """A whole text; half characters become U+FFFD."""
        if not self or (len(text) < SHORTEST and text.isascii()):  # most of what JSON holds: a result may have a million numbers
            return text
        return self.mask_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")

    def mask_preview(self, text: str) -> str:
        """A text that may have been shortened: also what a cut has left of a secret before and behind it is masked."""
        if not self:
            return text
        first, *rest = _CUT.split(text)
        return "".join([self.mask_text(first), *(piece if _CUT.fullmatch(piece) else self._mask_rest(piece) for piece in rest)])

    def _mask_rest(self, text: str) -> str:
        """What follows a cut. It may begin with the end of a secret."""
        data = text.encode("utf-8", "surrogatepass")
        covered = self._end_before(data)
        return (MASK.decode() if covered else "") + self.mask_text(data[covered:].decode("utf-8", "replace"))

    def _end_before(self, data: bytes) -> int:
        """How many bytes at the beginning of `data` are the end of a pattern. A text may be cut at every third character, so
        this looks for a place in each pattern and does not try every length of its end."""
        beginning, longest = data[:SHORTEST], 0
        for pattern in self._patterns if len(beginning) == SHORTEST else ():
            at = pattern.find(beginning, 1)
            while at > 0 and not data.startswith(pattern[at:]):
                at = pattern.find(beginning, at + 1)
            longest = max(longest, len(pattern) - at if at > 0 else 0)
        return longest

    def mask_json(self, value: Any) -> Any:
        """Plain JSON with every string, key and number masked; a masked number becomes text.

        A loop, not a recursion: how deep a result is nested was decided by the code in the box.
        """
        if not self:
            return value
        root = [value]
        work: list[tuple[Any, Any]] = [(root, 0)]
        while work:
            holder, key = work.pop()
            inside = _copied(self, holder[key])
            holder[key] = inside
            if isinstance(inside, list):
                work.extend((inside, index) for index in range(len(inside)))
            elif isinstance(inside, dict):
                work.extend((inside, name) for name in inside)
        return root[0]


class Masker:
    """Masks one stream of bytes. Holds back the end of a chunk for as long as it may be the beginning of a secret."""

    def __init__(self, values: "Iterable[str] | Mask") -> None:
        self._mask = values if isinstance(values, Mask) else Mask(values)
        self._held = b""
        self._covered = 0  # so many bytes of what is held belong to a secret that began before them
        self._after_mask = False  # what went out last was a mask

    @property
    def holds_back(self) -> bool:
        return bool(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown now."""
        if not self._mask:
            return chunk
        data = self._held + chunk
        return self._show(data, self._mask.undecided_from(data))

    def flush(self) -> bytes:
        """The rest, when nothing follows. A beginning of a secret that is long enough to be one is masked as well."""
        rest, self._held = self._held, b""
        if len(rest) >= SHORTEST:
            self._covered = len(rest)
        return self._show(rest, len(rest))

    def _show(self, data: bytes, decided: int) -> bytes:
        spans = [(0, self._covered)] if self._covered else []
        for start, end in self._mask.find(data, decided):
            _join(spans, start, end)
        shown, position = bytearray(), 0
        for start, end in spans:
            if start >= decided:
                break
            self._write(shown, data[position:start])
            self._cover(shown)
            position = min(end, decided)
        self._write(shown, data[position:decided])
        self._covered = max(0, spans[-1][1] - decided) if spans else 0
        self._held = data[decided:]
        return bytes(shown)

    def _write(self, shown: bytearray, part: bytes) -> None:
        if part:
            shown += part
            self._after_mask = False

    def _cover(self, shown: bytearray) -> None:
        """One mask for a secret, however many pieces and chunks it came in."""
        if not self._after_mask:
            shown += MASK
            self._after_mask = True


def _join(spans: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a span that begins no earlier than those before it."""
    if spans and start <= spans[-1][1]:
        spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
    else:
        spans.append((start, end))


def _copied(mask: Mask, value: Any) -> Any:
    """A scalar masked; a container copied, its keys masked and its items not yet."""
    if isinstance(value, dict):
        return {mask.mask_text(str(key)): item for key, item in value.items()}
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str):
        return mask.mask_text(value)
    if isinstance(value, int | float):
        written = repr(value)
        masked = mask.mask_text(written)
        return value if masked == written else masked
    return value
