"""What the library itself puts into the graph: functions, and the packages, secrets and hosts that their active versions name."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from apps.core.errors import TooLarge
from apps.functions.graph.drawing import FUNCTION, HOST, PACKAGE, SECRET, Graph, Node, key_of
from apps.functions.models import Function
from apps.packages.requirements import parse_requirement
from apps.packages.states import TERMINAL
from apps.vault.services import secret_names

MOST_FUNCTIONS = 10_000
"""Functions that a graph is made of; a larger library takes longer than anybody waits for a page."""


class GraphTooLarge(TooLarge):
    """More than can be read, or drawn, at once; `details["most"]` says how many can."""

    code = "graph_too_large"


class _Row(NamedTuple):
    """The columns of one function that its node and edges are made of; those of the version are None without an active one."""

    pk: UUID
    name: str
    description: str
    tags: list[str]
    version_id: UUID | None
    dependencies: list[str] | None
    requirements: list[str] | None
    secrets: list[str] | None
    hosts: list[str] | None
    packages_state: str | None


_COLUMNS = (
    "pk", "name", "description", "tags", "active_version_id", "active_version__dependencies", "active_version__requirements",
    "active_version__secrets", "active_version__hosts", "active_version__package_set__state",
)  # fmt: skip


def draw_library(graph: Graph) -> None:
    """Functions of the library with what they use. Two queries, however many functions there are.

    Raises:
        GraphTooLarge
    """
    rows = [_Row(*row) for row in Function.objects.library().order_by("name").values_list(*_COLUMNS)[: MOST_FUNCTIONS + 1]]
    if len(rows) > MOST_FUNCTIONS:
        raise GraphTooLarge(
            f"There are more than {MOST_FUNCTIONS} functions here, which is more than a graph can be made of. "
            "Look at one function's page: it says what it calls and what calls it.",
            most=MOST_FUNCTIONS,
        )
    for row in rows:
        node = graph.add_node(Node(FUNCTION, row.name, row.pk, row.description, tuple(row.tags)))
        if row.version_id is None:
            node.problems.append("It has no active version, so it cannot run.")
    known_secrets = secret_names()
    for name in known_secrets:
        graph.add_node(Node(SECRET, name))
    for row in rows:
        _draw_uses(graph, row, frozenset(known_secrets))


def _draw_uses(graph: Graph, row: _Row, known_secrets: frozenset[str]) -> None:
    node = graph.nodes[key_of(FUNCTION, row.name)]
    for name in row.dependencies or ():
        _draw_call(graph, node, name)
    _draw_packages(graph, node, row.requirements or (), row.packages_state)
    for name in row.secrets or ():
        is_there = name in known_secrets
        secret = graph.add_node(Node(SECRET, name, is_missing=not is_there))
        graph.add_edge(node, secret, problem="" if is_there else f"There is no secret {name} for functions: an admin can add it.")
    for host in row.hosts or ():
        graph.add_edge(node, graph.add_node(Node(HOST, host)))


def _draw_call(graph: Graph, node: Node, name: str) -> None:
    called = graph.add_node(Node(FUNCTION, name, is_missing=key_of(FUNCTION, name) not in graph.nodes))
    problem = ""
    if called.is_missing:
        problem = f"“{node.name}” calls “{name}”, which is not there. Write it, or save “{node.name}” without the call."
    elif called.problems:
        problem = f"“{node.name}” calls “{name}”, which has no active version."
    graph.add_edge(node, called, problem=problem)


def _draw_packages(graph: Graph, node: Node, requirements: Iterable[str], state: str | None) -> None:
    problem = ""
    if state in TERMINAL:
        problem = f"The packages of “{node.name}” were refused or could not be had. Running it asks for them again."
    for line in requirements:
        requirement = parse_requirement(line)
        graph.add_edge(node, graph.add_node(Node(PACKAGE, requirement.name)), note=str(requirement), problem=problem)
