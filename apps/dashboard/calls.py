"""The tree of calls inside a box, from the rows of one query."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.runs.models import Run, Span

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
    run: Run | None = None  # where the called function ran in a box of its own
    children: "list[Call]" = field(default_factory=list)


def call_tree(spans: Iterable[Span], runs: Iterable[Run] = ()) -> list[Call]:
    """The roots, in the order in which they began. A span whose parent is unknown, or is told to be itself, is a root.

    `runs` are those that the calls have started; which span belongs to which is the box's word too.
    """
    started = {(run.parent_attempt, run.parent_span): run for run in runs}
    roots: list[Call] = []
    placed: dict[tuple[int, str], tuple[Call, int]] = {}
    for span in spans:
        call = Call(span.function_name, span.arguments_preview, span.result_preview, span.error, span.line, span.seconds)
        call.run = started.get((span.attempt, span.key))
        parent, depth = placed.get((span.attempt, span.parent_key), (None, 0))
        if parent is None:
            roots.append(call)
        else:
            parent.children.append(call)
        # A child of one that is too deep becomes its neighbour.
        placed[span.attempt, span.key] = (call, depth + 1) if parent is None or depth < DEEPEST else (parent, depth)
    return roots
