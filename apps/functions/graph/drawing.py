"""What a dependency graph is made of: nodes, edges that say "uses", and what is wrong with them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

FUNCTION, PACKAGE, SECRET, HOST = "function", "package", "secret", "host"


def key_of(kind: str, name: str) -> str:
    """What a node is called in edges and addresses: its kind and its name, such as `package:pandas`."""
    return f"{kind}:{name}"


@dataclass(slots=True)
class Node:
    """A thing that is used or uses others. `row_id` is the row behind it, where it has a page of its own.

    `problems` are sentences. `is_missing`: something names it and it is not there. `is_context`: it was not chosen itself,
    it only stands beside what was (see selection).
    """

    kind: str
    name: str
    row_id: UUID | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    health: str = ""
    problems: list[str] = field(default_factory=list)
    is_missing: bool = False
    is_context: bool = False

    @property
    def key(self) -> str:
        return key_of(self.kind, self.name)


@dataclass(slots=True)
class Edge:
    """`source` uses `target`, both by key. `note` is what the source says about it; `problem` why it cannot work now."""

    source: str
    target: str
    note: str = ""
    problem: str = ""
    is_circular: bool = False


@dataclass
class Graph:
    """Nodes by key, and edges between them. `cycles` lists the keys of each group whose members need each other."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    cycles: list[tuple[str, ...]] = field(default_factory=list)

    def add_node(self, node: Node) -> Node:
        """The node of that key: the one that was there already, or this one."""
        return self.nodes.setdefault(node.key, node)

    def add_edge(self, source: Node, target: Node, *, note: str = "", problem: str = "") -> None:
        self.edges.append(Edge(source.key, target.key, note, problem))

    def of_kind(self, kind: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.kind == kind]

    @property
    def broken(self) -> list[Edge]:
        """The edges that cannot work now."""
        return [edge for edge in self.edges if edge.problem]

    def uses(self) -> dict[str, list[str]]:
        """What each node uses, directly."""
        return _neighbours(self.nodes, ((edge.source, edge.target) for edge in self.edges))

    def used_by(self) -> dict[str, list[str]]:
        """What uses each node, directly."""
        return _neighbours(self.nodes, ((edge.target, edge.source) for edge in self.edges))


def _neighbours(keys: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {key: [] for key in keys}
    for key, other in pairs:
        found[key].append(other)
    return found
