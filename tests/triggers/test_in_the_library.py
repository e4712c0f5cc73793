"""Rules seen from the functions that they need: in the graph, on a function's page, before one is archived."""

import pytest

from apps.core.tenancy import scope
from apps.functions.archive import FunctionInUse, archive_function
from apps.functions.graph import read_graph
from apps.functions.models import Function
from apps.triggers.models import Rule
from tests.triggers.conftest import HANDLE, Play


@pytest.fixture
def rule(play: Play, shout: Function) -> Rule:
    about = play.function("def watched() -> int:\n    return 1\n")
    arguments = {"text": "event.data.function"}
    return play.rule(
        "run.succeeded", shout, name="loud", function=about, arguments=arguments, error_handler=play.function(HANDLE)
    )


def test_a_rule_is_in_the_graph_with_the_functions_that_it_needs(play: Play, rule: Rule) -> None:
    with scope(play.cast.acme.pk):
        graph = read_graph(actor=play.cast.viewer)
    assert graph.nodes["rule:loud"].row_id == rule.pk
    edges = {(edge.target, edge.note) for edge in graph.edges if edge.source == "rule:loud"}
    assert edges == {
        ("function:shout", "runs it"),
        ("function:watched", "waits for its run.succeeded"),
        ("function:handle", "tells it of failures"),
    }
    assert not graph.broken


def test_a_rule_that_is_off_or_of_another_workspace_is_in_no_graph(play: Play, rule: Rule) -> None:
    with scope(play.cast.globex.pk):
        assert "rule:loud" not in read_graph(actor=play.cast.stranger).nodes
    with scope(play.cast.acme.pk):
        Rule.objects.update(is_active=False)
        assert "rule:loud" not in read_graph(actor=play.cast.viewer).nodes


def test_a_rule_that_needs_what_was_archived_is_drawn_as_broken(play: Play, rule: Rule) -> None:
    with scope(play.cast.acme.pk):
        archive_function(actor=play.cast.developer, function=rule.function)
        graph = read_graph(actor=play.cast.viewer)
    assert graph.nodes["function:watched"].is_missing
    assert [edge.problem for edge in graph.broken] == [
        "The rule “loud” needs “watched”, which is not there. Change the rule, or switch it off."
    ]


@pytest.mark.parametrize("name", ["shout", "handle"])
def test_what_a_rule_runs_or_tells_of_failures_is_not_archived_under_it(play: Play, rule: Rule, name: str) -> None:
    with scope(play.cast.acme.pk):
        function = Function.objects.get(name=name)
        with pytest.raises(FunctionInUse, match="is needed by the rule “loud”"):
            archive_function(actor=play.cast.developer, function=function)
        Rule.objects.update(is_active=False)
        assert archive_function(actor=play.cast.developer, function=function).archived_at
