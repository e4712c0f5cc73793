"""The JSON of the dependency graph: what of it is wanted, its nodes, edges and circles."""

from uuid import UUID

from ninja import Field, Schema

from apps.functions.graph import Around, Edge, Graph, Node, Selection
from apps.runs.health import Health


class GraphWanted(Schema):
    """Which part of the graph. What words, tag, health and trouble choose keeps its direct neighbours beside it."""

    search: str = Field("", max_length=200)
    kind: list[str] = Field([], description="function, package, secret, host; all when left out")
    tag: str = Field("", max_length=200)
    health: Health | None = None
    troubled: bool = Field(default=False, description="only what is missing, circular, refused or has no active version")
    focus: str = Field("", description="the key of one node; see `around`")
    around: Around = Field(Around.EVERYTHING, description="of the focus: neighbours, uses or used_by (both through others)")

    def selection(self) -> Selection:
        kinds, health = frozenset(self.kind), self.health or ""
        return Selection(self.search, kinds, self.tag, health, self.troubled, self.focus, self.around)


class NodeOut(Schema):
    """A function, package, secret (its name only), host or whatever else is used or uses others."""

    key: str = Field(description="`kind:name`, which edges, cycles and `focus` name it by")
    kind: str
    name: str
    id: UUID | None = Field(description="the row behind it, where there is one")
    description: str
    tags: list[str]
    health: str = Field(description="of a function: healthy, unsteady, failing or never_run; empty for everything else")
    problems: list[str]
    is_missing: bool = Field(description="something names it and it is not there")
    is_context: bool = Field(description="not chosen itself: a direct neighbour of what was")

    @staticmethod
    def of(node: Node) -> "NodeOut":
        names = ("key", "kind", "name", "description", "health", "problems", "is_missing", "is_context")
        return NodeOut(id=node.row_id, tags=list(node.tags), **{name: getattr(node, name) for name in names})


class EdgeOut(Schema):
    """`source` uses `target`. `problem` says why that cannot work now; it is empty where it can."""

    source: str
    target: str
    note: str
    problem: str
    is_circular: bool

    @staticmethod
    def of(edge: Edge) -> "EdgeOut":
        names = ("source", "target", "note", "problem", "is_circular")
        return EdgeOut(**{name: getattr(edge, name) for name in names})


class GraphOut(Schema):
    nodes: list[NodeOut]
    edges: list[EdgeOut]
    cycles: list[list[str]] = Field(description="groups of functions that need each other in a circle, by key")

    @staticmethod
    def of(graph: Graph) -> "GraphOut":
        return GraphOut(
            nodes=[NodeOut.of(node) for node in graph.nodes.values()],
            edges=[EdgeOut.of(edge) for edge in graph.edges],
            cycles=[list(cycle) for cycle in graph.cycles],
        )
