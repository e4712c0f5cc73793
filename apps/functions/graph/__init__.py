"""The dependency graph of a workspace: what uses what, what is missing, what goes in a circle.

Functions of the library, packages, secrets and hosts are drawn here. A higher app draws its own by `register_part` in its
ready(): what triggers fire, how runs went. So the graph knows only what was told to it.
"""

from collections.abc import Callable

from apps.functions.graph.cycles import find_cycles
from apps.functions.graph.drawing import FUNCTION, HOST, PACKAGE, SECRET, Edge, Graph, Node, key_of
from apps.functions.graph.parts import GraphTooLarge, draw_library
from apps.functions.graph.selection import MOST_DRAWN, Around, NoSuchNode, Selection, find_node, reach, select
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

__all__ = [
    "FUNCTION", "HOST", "MOST_DRAWN", "PACKAGE", "SECRET", "Around", "Edge", "Graph", "GraphTooLarge", "NoSuchNode", "Node",
    "Selection", "find_node", "key_of", "kinds", "reach", "read_graph", "register_part", "select", "select_drawable",
]  # fmt: skip

type Part = Callable[[Graph], None]
_parts: dict[Part, tuple[str, ...]] = {draw_library: (FUNCTION, PACKAGE, SECRET, HOST)}


def register_part(draw: Part, *, kinds: tuple[str, ...] = ()) -> None:
    """Have `draw` add to every graph, inside the scope, after the parts that were registered before; twice counts once.

    It asks the database a fixed number of times, whatever the size of the graph. `kinds` are those of the nodes that it
    adds; pages give each a name, an icon and a shape.
    """
    _parts[draw] = kinds


def kinds() -> tuple[str, ...]:
    """The kinds of nodes that there can be, in the order in which they were registered."""
    return tuple(kind for added in _parts.values() for kind in added)


def read_graph(*, actor: Membership) -> Graph:
    """The whole graph of the workspace, with cycles and edges that cannot work marked. A fixed number of queries.

    Names of secrets are in it, values never.

    Raises:
        PermissionMissing, GraphTooLarge
    """
    require(actor, Permission.VIEW)
    graph = Graph()
    for draw in _parts:
        draw(graph)
    _mark_cycles(graph)
    return graph


def select_drawable(graph: Graph, wanted: Selection) -> Graph:
    """What is wanted of the graph, if it is no more than a picture can hold.

    Raises:
        NoSuchNode, GraphTooLarge
    """
    part = select(graph, wanted)
    if len(part.nodes) > MOST_DRAWN:
        raise GraphTooLarge(
            f"These are {len(part.nodes)} things, and a picture holds {MOST_DRAWN}. Choose a tag, a kind or a word, or look at "
            "the list.",
            most=MOST_DRAWN,
        )
    return part


def _mark_cycles(graph: Graph) -> None:
    graph.cycles = find_cycles(graph.uses())
    group = {key: number for number, cycle in enumerate(graph.cycles) for key in cycle}
    for edge in graph.edges:
        edge.is_circular = edge.source in group and group[edge.source] == group.get(edge.target)
