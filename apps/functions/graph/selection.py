"""Which part of a graph somebody wants to see: by words, kind, tag and health, or by what one node uses and what uses it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from apps.core.errors import NotFound
from apps.functions.graph.drawing import Graph, Node

MOST_DRAWN = 2000
"""Nodes in one picture; a browser stays fluent with them, and nobody finds anything among more."""


class NoSuchNode(NotFound):
    code = "no_such_node"


class Around(StrEnum):
    """What of the graph belongs to the node in focus."""

    EVERYTHING = ""
    NEIGHBOURS = "neighbours"  # what it uses and what uses it, directly
    USES = "uses"  # all that it uses, through others too
    USED_BY = "used_by"  # all that a change of it reaches


@dataclass(frozen=True)
class Selection:
    """Empty fields choose nothing away. `kinds` takes other kinds out altogether; what `text`, `tag`, `health` and
    `is_troubled` choose keeps its direct neighbours beside it, as context."""

    text: str = ""
    kinds: frozenset[str] = frozenset()
    tag: str = ""
    health: str = ""
    is_troubled: bool = False
    focus: str = ""
    around: Around = Around.EVERYTHING


def select(graph: Graph, wanted: Selection) -> Graph:
    """The part of the graph that is wanted, in nodes of its own; cycles and edges that are not whole are left out.

    Raises:
        NoSuchNode: the focus is no node of the graph.
    """
    keep = _around(graph, wanted)
    if wanted.kinds:
        keep = {key for key in keep if graph.nodes[key].kind in wanted.kinds or key == wanted.focus}
    chosen = {key for key in keep if _is_chosen(graph.nodes[key], wanted)}
    if wanted.is_troubled:
        chosen &= troubled(graph)
    shown = chosen | {other for edge in graph.edges for other in _other_end(edge.source, edge.target, chosen) if other in keep}
    if wanted.focus:
        shown |= {wanted.focus}
    return _part(graph, shown, context=shown - chosen - {wanted.focus})


def find_node(graph: Graph, key: str) -> Node:
    """The node of that key.

    Raises:
        NoSuchNode
    """
    if key not in graph.nodes:
        raise NoSuchNode("There is no such thing in the graph: it may have been removed or renamed.")
    return graph.nodes[key]


def troubled(graph: Graph) -> set[str]:
    """The keys of nodes that have a problem, are missing, stand in a circle, or are an end of an edge that cannot work."""
    at_edges = {key for edge in graph.broken for key in (edge.source, edge.target)}
    in_cycles = {key for cycle in graph.cycles for key in cycle}
    return at_edges | in_cycles | {key for key, node in graph.nodes.items() if node.problems or node.is_missing}


def reach(start: str, following: Mapping[str, Sequence[str]]) -> set[str]:
    """All that can be reached from a node, itself included."""
    found, waiting = {start}, [start]
    while waiting:
        fresh = set(following[waiting.pop()]) - found
        found |= fresh
        waiting.extend(fresh)
    return found


def _around(graph: Graph, wanted: Selection) -> set[str]:
    if not wanted.focus:
        return set(graph.nodes)
    find_node(graph, wanted.focus)
    match wanted.around:
        case Around.USES:
            return reach(wanted.focus, graph.uses())
        case Around.USED_BY:
            return reach(wanted.focus, graph.used_by())
        case Around.NEIGHBOURS:
            return {wanted.focus, *graph.uses()[wanted.focus], *graph.used_by()[wanted.focus]}
        case Around.EVERYTHING:
            return set(graph.nodes)


def _is_chosen(node: Node, wanted: Selection) -> bool:
    if wanted.tag and wanted.tag not in node.tags:
        return False
    if wanted.health and node.health != wanted.health:
        return False
    return all(_has_word(node, word) for word in wanted.text.casefold().split())


def _has_word(node: Node, word: str) -> bool:
    return word in node.name.casefold() or word in node.description.casefold() or word in node.tags


def _other_end(source: str, target: str, chosen: Collection[str]) -> Iterable[str]:
    if source in chosen:
        yield target
    if target in chosen:
        yield source


def _part(graph: Graph, shown: Collection[str], *, context: Collection[str]) -> Graph:
    return Graph(
        nodes={key: replace(node, is_context=key in context) for key, node in graph.nodes.items() if key in shown},
        edges=[edge for edge in graph.edges if edge.source in shown and edge.target in shown],
        cycles=[cycle for cycle in graph.cycles if set(cycle) <= set(shown)],
    )
