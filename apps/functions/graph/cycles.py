"""Groups of nodes that need each other in a circle."""

from collections.abc import Iterator, Mapping, Sequence


def find_cycles(following: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """The strongly connected components with more than one member, or with a member that follows itself; members sorted.

    Tarjan's algorithm (SIAM Journal on Computing 1, 1972) with a stack of its own: a chain of functions may be longer than
    Python's. Takes time in proportion to nodes and edges.
    """
    search = _Search(following)
    for key in following:
        if key not in search.number:
            search.visit(key)
    return sorted(search.found)


class _Search:
    def __init__(self, following: Mapping[str, Sequence[str]]) -> None:
        self.following = following
        self.number: dict[str, int] = {}  # in the order in which they were met
        self.lowest: dict[str, int] = {}  # the earliest that can be reached from there
        self.path: list[str] = []
        self.on_path: set[str] = set()
        self.found: list[tuple[str, ...]] = []

    def visit(self, start: str) -> None:
        waiting = [self._enter(start)]
        while waiting:
            key, others = waiting[-1]
            entered = next((other for other in others if self._look(key, other)), None)
            if entered is not None:
                waiting.append(self._enter(entered))
                continue
            waiting.pop()
            if waiting:
                above = waiting[-1][0]
                self.lowest[above] = min(self.lowest[above], self.lowest[key])
            if self.lowest[key] == self.number[key]:
                self._close(key)

    def _enter(self, key: str) -> tuple[str, Iterator[str]]:
        self.number[key] = self.lowest[key] = len(self.number)
        self.path.append(key)
        self.on_path.add(key)
        return key, iter(self.following[key])

    def _look(self, key: str, other: str) -> bool:
        """Whether the other one is new; one that is on the path shows a way back."""
        if other in self.on_path:
            self.lowest[key] = min(self.lowest[key], self.number[other])
        return other not in self.number

    def _close(self, key: str) -> None:
        members = [self.path.pop()]
        while members[-1] != key:
            members.append(self.path.pop())
        self.on_path.difference_update(members)
        if len(members) > 1 or key in self.following[key]:
            self.found.append(tuple(sorted(members)))
