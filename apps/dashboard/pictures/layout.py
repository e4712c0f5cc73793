"""Where everything stands: in columns from left to right, so that arrows point to the right wherever there is no circle.

A simple form of the layered drawing of Sugiyama, Tagawa and Toda (IEEE Transactions on Systems, Man and Cybernetics 11,
1981): columns by the longest way from the left, the order within them by the middle of the neighbours. Parts that hang
together are laid out each for itself and then set in rows, the largest first; what stands alone follows in a block. It is
done here and not in the browser, so that page and files show the same picture, and the page has nothing to compute.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

ACROSS, DOWN = 250, 52  # between the middles of two boxes that stand side by side, or one above the other
GAP = 44  # between parts that do not hang together
LEFT, TOP = 125, 36  # the middle of the first box
WIDE = 1.7  # how much wider than high a picture is meant to be
FEW_ROWS = 12  # a column is never broken before it has so many
SWEEPS = 4  # more of them change hardly anything

type Pairs = Sequence[tuple[str, str]]


class Place(NamedTuple):
    x: float
    y: float


class Size(NamedTuple):
    width: float
    height: float


class _Part(NamedTuple):
    """Boxes that hang together, in columns."""

    columns: list[list[str]]

    @property
    def rows(self) -> int:
        return max(len(column) for column in self.columns)

    @property
    def size(self) -> Size:
        return Size(len(self.columns) * ACROSS, self.rows * DOWN)


def lay_out(keys: Sequence[str], pairs: Pairs) -> dict[str, Place]:
    """The place of each key; the same for the same keys and pairs in any order. Time in proportion to both, but for sorting."""
    uses: dict[str, list[str]] = {key: [] for key in sorted(keys)}
    used_by: dict[str, list[str]] = {key: [] for key in uses}
    for source, target in sorted(pairs):
        if source != target:
            uses[source].append(target)
            used_by[target].append(source)
    groups = _groups(uses, used_by)
    parts = [_columns(group, uses, used_by) for group in groups if len(group) > 1]
    parts.sort(key=lambda part: part.size.width * part.size.height, reverse=True)
    if alone := [group[0] for group in groups if len(group) == 1]:
        parts.append(_block(alone))
    return _set_in_rows(parts)


def _groups(uses: Mapping[str, list[str]], used_by: Mapping[str, list[str]]) -> list[list[str]]:
    """What hangs together, whichever way the arrows point."""
    groups: list[list[str]] = []
    met: set[str] = set()
    for key in uses:
        if key in met:
            continue
        met.add(key)
        group = [key]
        for member in group:  # grows meanwhile
            fresh = [other for other in dict.fromkeys([*uses[member], *used_by[member]]) if other not in met]
            met.update(fresh)
            group.extend(fresh)
        groups.append(group)
    return groups


def _columns(group: list[str], uses: Mapping[str, list[str]], used_by: Mapping[str, list[str]]) -> _Part:
    ranks = _ranks(group, uses)
    layers: list[list[str]] = [[] for _ in range(max(ranks.values()) + 1)]
    for key in group:
        layers[ranks[key]].append(key)
    for sweep in range(SWEEPS):
        neighbours, order = (used_by, layers) if sweep % 2 == 0 else (uses, layers[::-1])
        _untangle(order, neighbours)
    most = max(FEW_ROWS, math.ceil(math.sqrt(len(group) * ACROSS / DOWN / WIDE)))
    return _Part([column for layer in layers for column in _broken(layer, most)])


def _ranks(group: Sequence[str], uses: Mapping[str, list[str]]) -> dict[str, int]:
    """How far from the left each stands: one further than whatever uses it, arrows back in a circle left out."""
    finished = _finished(group, uses)
    order = {key: place for place, key in enumerate(reversed(finished))}
    ranks = dict.fromkeys(group, 0)
    for key, place in order.items():
        for other in uses[key]:
            if order[other] > place:
                ranks[other] = max(ranks[other], ranks[key] + 1)
    return ranks


def _finished(group: Sequence[str], uses: Mapping[str, list[str]]) -> list[str]:
    """In the order in which a depth-first search leaves them: after all that they use, but for circles."""
    met: set[str] = set()
    finished: list[str] = []
    for start in group:
        waiting = [(start, iter(uses[start]))] if start not in met else []
        met.add(start)
        while waiting:
            fresh = next((other for other in waiting[-1][1] if other not in met), None)
            if fresh is None:
                finished.append(waiting.pop()[0])
            else:
                met.add(fresh)
                waiting.append((fresh, iter(uses[fresh])))
    return finished


def _untangle(layers: list[list[str]], neighbours: Mapping[str, list[str]]) -> None:
    """Sort each layer by the middle of what its members hang on, so that fewer arrows cross."""
    height = {key: place / len(layer) for layer in layers for place, key in enumerate(layer)}
    for layer in layers:
        layer.sort(key=lambda key: (fmean(height[other] for other in neighbours[key]) if neighbours[key] else height[key], key))
        height.update({key: place / len(layer) for place, key in enumerate(layer)})


def _broken(layer: list[str], most: int) -> list[list[str]]:
    """A layer in as few columns of about the same length as hold it."""
    count = math.ceil(len(layer) / most)
    rows = math.ceil(len(layer) / count)
    return [layer[start : start + rows] for start in range(0, len(layer), rows)]


def _block(alone: Sequence[str]) -> _Part:
    rows = max(1, math.ceil(math.sqrt(len(alone) * ACROSS / DOWN / WIDE)))
    ordered = sorted(alone)
    return _Part([ordered[start : start + rows] for start in range(0, len(ordered), rows)])


def _set_in_rows(parts: Sequence[_Part]) -> dict[str, Place]:
    area = sum((part.size.width + GAP) * (part.size.height + GAP) for part in parts)
    widest = max([math.sqrt(area * WIDE), *(part.size.width for part in parts)], default=0)
    places: dict[str, Place] = {}
    left, top, height = 0.0, 0.0, 0.0
    for part in parts:
        if left and left + part.size.width > widest:
            left, top, height = 0.0, top + height + GAP, 0.0
        places |= _placed(part, left, top)
        left += part.size.width + GAP
        height = max(height, part.size.height)
    return places


def _placed(part: _Part, left: float, top: float) -> dict[str, Place]:
    """Each column stands in the middle of the part's height."""
    places = {}
    for number, column in enumerate(part.columns):
        above = (part.rows - len(column)) * DOWN / 2
        for row, key in enumerate(column):
            places[key] = Place(LEFT + left + number * ACROSS, TOP + top + above + row * DOWN)
    return places
