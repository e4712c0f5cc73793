"""What the page of the dependency graph shows of the part that was asked for: counts, troubles, filters, the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from apps.dashboard.filters import SEARCH_CHARACTERS, search_text
from apps.dashboard.graph_node import KINDS, KindLook, panel_of
from apps.dashboard.paging import Page
from apps.dashboard.states import look_of
from apps.functions.graph import MOST_DRAWN, Around, Graph, Node, Selection, kinds, select
from apps.runs.health import Health

ROWS = 50  # of the list, a page
SHOWN_TROUBLES = 20
AROUND_WORDS = {
    Around.EVERYTHING: "Everything",
    Around.NEIGHBOURS: "Its neighbours",
    Around.USES: "All that it uses",
    Around.USED_BY: "All that uses it",
}


@dataclass(frozen=True)
class Row:
    """A node of the list, with its direct neighbours."""

    node: Node
    look: KindLook
    uses: Sequence[Node]
    used_by: Sequence[Node]


def wanted_of(request: HttpRequest) -> Selection:
    """What the address asks for. A filter that does not exist chooses nothing away, as an old bookmark should."""
    given = request.GET
    around, health = given.get("around", ""), given.get("health", "")
    return Selection(
        text=search_text(request),
        kinds=frozenset(given.getlist("kind")) & frozenset(kinds()),
        tag=given.get("tag", "")[:SEARCH_CHARACTERS],
        health=health if health in list(Health) else "",
        is_troubled=given.get("troubled") == "on",
        focus=given.get("focus", ""),
        around=Around(around) if around in list(Around) else Around.EVERYTHING,
    )


def told_of(request: HttpRequest, whole: Graph) -> dict[str, Any]:
    """The context of the page.

    Raises:
        NoSuchNode: the focus that the address names.
    """
    wanted = wanted_of(request)
    part = select(whole, wanted)
    is_drawable = len(part.nodes) <= MOST_DRAWN
    is_list = request.GET.get("view") == "list" or not is_drawable
    focus = whole.nodes.get(wanted.focus)
    return {
        "wanted": wanted,
        "focus": focus,
        "panel": panel_of(whole, focus) if focus else None,
        "is_empty": not whole.nodes,
        "is_list": is_list,
        "is_drawable": is_drawable,
        "node_count": len(part.nodes),
        "most_drawn": MOST_DRAWN,
        "counts": _counts(part),
        "page": _page_of(request, part) if is_list else None,
        "cycles": [[whole.nodes[key] for key in cycle] for cycle in part.cycles[:SHOWN_TROUBLES]],
        "broken": [(whole.nodes[key], problem) for key, problem in _problems(part)[:SHOWN_TROUBLES]],
        "trouble_count": len(part.cycles) + len(_problems(part)),
        **_choices(whole, wanted),
    }


def _choices(whole: Graph, wanted: Selection) -> dict[str, Any]:
    """Of the filters; a tag that was asked for stays among them even where nothing has it."""
    tags = {tag for node in whole.nodes.values() for tag in node.tags} | {wanted.tag}
    return {
        "tags": sorted(tags - {""}),
        "health_choices": [(state.value, look_of(state).word) for state in Health],
        "kind_choices": [(kind, KINDS[kind], kind in wanted.kinds) for kind in kinds()],
        "around_choices": [(around.value, words) for around, words in AROUND_WORDS.items()],
    }


def _counts(part: Graph) -> list[tuple[int, KindLook]]:
    """How many of each kind were chosen; what only stands beside them is not counted."""
    counts = [(sum(not node.is_context for node in part.of_kind(kind)), KINDS[kind]) for kind in kinds()]
    return [(count, look) for count, look in counts if count]


def _problems(part: Graph) -> list[tuple[str, str]]:
    """Each problem once, beside the key of the node that has it: packages may have been refused several at a time."""
    own = [(node.key, problem) for node in part.nodes.values() for problem in node.problems]
    return list(dict.fromkeys([*own, *((edge.source, edge.problem) for edge in part.broken)]))


def _page_of(request: HttpRequest, part: Graph) -> Page[Row]:
    """By name. A number tells the page: the list is made anew from the whole graph each time, so nothing is skipped over."""
    given = request.GET.get("page", "")
    number = max(int(given), 1) if given.isascii() and given.isdigit() and len(given) < 6 else 1
    nodes = sorted(part.nodes.values(), key=lambda node: (node.is_context, node.name.casefold(), node.kind))
    shown = nodes[(number - 1) * ROWS : number * ROWS]
    uses, used_by = part.uses(), part.used_by()
    rows = [Row(node, KINDS[node.kind], _nodes(part, uses[node.key]), _nodes(part, used_by[node.key])) for node in shown]
    previous_url = _page_url(request, number - 1) if number > 1 else None
    return Page(rows, previous_url, _page_url(request, number + 1) if number * ROWS < len(nodes) else None)


def _nodes(part: Graph, keys: Sequence[str]) -> list[Node]:
    return [part.nodes[key] for key in dict.fromkeys(keys)]


def _page_url(request: HttpRequest, number: int) -> str:
    """The other parameters stay."""
    parameters = request.GET.copy()
    parameters["page"] = str(number)
    return f"?{parameters.urlencode()}"
