"""The tree of calls inside a box, from the rows of one query."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.runs.models import Span

MOST_SPANS = 500  # a page is for looking; a box may report thousands
DEEPEST = 40  # below that the tree is flattened, so that no box can exhaust the template's recursion


@dataclass
class Call:
    """A span with those that it started."""

    function_name: str
    arguments_preview: str
    result_preview: str
    error: str
    line: int | None
    seconds: float | None
    children: "list[Call]" = field(default_factory=list)


def call_tree(spans: Iterable[Span]) -> list[Call]:
    """The roots, in the order in which they began. A span whose parent is unknown, or is told to be itself, is a root."""
    roots: list[Call] = []
    placed: dict[tuple[int, str], tuple[Call, int]] = {}
    for span in spans:
        call = Call(span.function_name, span.arguments_preview, span.result_preview, span.error, span.line, span.seconds)
        parent, depth = placed.get((span.attempt, span.parent_key), (None, 0))
        if parent is None:
            roots.append(call)
        else:
            parent.children.append(call)
        # A child of one that is too deep becomes its neighbour.
        placed[span.attempt, span.key] = (call, depth + 1) if parent is None or depth < DEEPEST else (parent, depth)
    return roots
