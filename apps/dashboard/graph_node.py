"""One node of the dependency graph: how it looks in lists and pictures, and what there is to know about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from apps.dashboard.pictures import Arrow, Box, Picture
from apps.dashboard.states import look_of
from apps.functions.graph import FUNCTION, HOST, PACKAGE, SECRET, Graph, Node, reach
from apps.functions.models import Function
from apps.runs.models import Run
from apps.triggers.graph import RULE

SHOWN_RUNS = 5


@dataclass(frozen=True)
class KindLook:
    """How a kind of node is called. Pictures draw each kind in a shape of its own, by the kind's name."""

    word: str
    words: str
    icon: str


KINDS: dict[str, KindLook] = {
    FUNCTION: KindLook("Function", "Functions", "code-bracket"),
    PACKAGE: KindLook("Package", "Packages", "cube"),
    SECRET: KindLook("Secret", "Secrets", "key"),
    HOST: KindLook("Host", "Hosts", "globe-alt"),
    RULE: KindLook("Rule", "Rules", "bolt"),
}
"""The only such table. A kind that an app registers and that is missing here is a programming error."""


@dataclass(frozen=True)
class Neighbour:
    """A node beside another one. `note` is what the one that uses says about it, such as limits of a version."""

    node: Node
    look: KindLook
    note: str


def panel_of(graph: Graph, node: Node) -> dict[str, Any]:
    """What the panel shows: problems, neighbours, how far it reaches; of a function source and last runs. At most two queries."""
    uses, used_by = graph.uses(), graph.used_by()
    at_edges = [edge.problem for edge in graph.broken if node.key in (edge.source, edge.target)]
    told: dict[str, Any] = {
        "node": node,
        "look": KINDS[node.kind],
        "uses": _neighbours(graph, [(edge.target, edge.note) for edge in graph.edges if edge.source == node.key]),
        "used_by": _neighbours(graph, [(edge.source, edge.note) for edge in graph.edges if edge.target == node.key]),
        "uses_count": len(reach(node.key, uses)) - 1,
        "used_by_count": len(reach(node.key, used_by)) - 1,
        "problems": [*node.problems, *dict.fromkeys(at_edges)],
        "cycle": [graph.nodes[key] for cycle in graph.cycles if node.key in cycle for key in cycle],
    }
    if node.kind == FUNCTION and node.row_id:
        told["function"] = Function.objects.for_list().get(pk=node.row_id)
        told["runs"] = Run.objects.for_list().filter(function=node.row_id)[:SHOWN_RUNS]
    return told


def picture_of(graph: Graph, *, title: str, panel_url: str) -> Picture:
    """The graph as it is drawn; `panel_url` answers for a key with the panel."""
    return Picture(
        title,
        boxes=tuple(_box(node, f"{panel_url}?{urlencode({'key': node.key})}") for node in graph.nodes.values()),
        arrows=tuple(Arrow(edge.source, edge.target, bool(edge.problem), edge.is_circular) for edge in graph.edges),
    )


def _neighbours(graph: Graph, noted: Sequence[tuple[str, str]]) -> list[Neighbour]:
    order = list(KINDS)
    found = [Neighbour(graph.nodes[key], KINDS[graph.nodes[key].kind], note) for key, note in noted]
    return sorted(found, key=lambda each: (order.index(each.node.kind), each.node.name, each.note))


def _box(node: Node, panel_url: str) -> Box:
    said = [KINDS[node.kind].word.lower()]
    said += [look_of(node.health).word.lower()] if node.health else []
    said += ["missing"] if node.is_missing else []
    return Box(
        key=node.key,
        words=node.name,
        shape=node.kind,
        title=f"{node.name}: {', '.join(said)}",
        tone="bad" if node.problems else look_of(node.health).tone if node.health else "idle",
        is_missing=node.is_missing,
        is_faint=node.is_context,
        panel_url=panel_url,
    )
