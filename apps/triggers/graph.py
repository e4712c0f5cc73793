"""Rules in the dependency graph: what they wait for, what they run, and what they tell when that fails."""

from apps.functions.graph import FUNCTION, Graph, Node, key_of
from apps.triggers.models import Rule

RULE = "rule"
MOST_RULES = 2_000
"""The newest. A picture holds no more things than that."""


def draw_rules(graph: Graph) -> None:
    """Rules that are switched on. One query, however many there are."""
    columns = ("pk", "name", "event_type", "function__name", "target__name", "error_handler__name")
    rows = Rule.objects.filter(is_active=True).order_by("-pk").values_list(*columns)[:MOST_RULES]
    for key, name, event_type, about, target, handler in rows:
        rule = graph.add_node(Node(RULE, name, key, description=f"Waits for {event_type}."))
        _draw_use(graph, rule, target, note="runs it")
        if about:
            _draw_use(graph, rule, about, note=f"waits for its {event_type}")
        if handler:
            _draw_use(graph, rule, handler, note="tells it of failures")


def _draw_use(graph: Graph, rule: Node, name: str, *, note: str) -> None:
    """A function of the library; one that is archived is in no graph until something names it."""
    function = graph.add_node(Node(FUNCTION, name, is_missing=key_of(FUNCTION, name) not in graph.nodes))
    problem = f"The rule “{rule.name}” needs “{name}”, which is not there. Change the rule, or switch it off."
    graph.add_edge(rule, function, note=note, problem=problem if function.is_missing else "")
