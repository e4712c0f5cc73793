"""The dependency graph over the API."""

from types import SimpleNamespace

import pytest

from apps.core.tenancy import scope
from tests.api.conftest import Call
from tests.dashboard.conftest import make_function


@pytest.fixture
def library(cast: SimpleNamespace) -> SimpleNamespace:
    with scope(cast.acme.pk):
        make_function(cast.developer, "parse")
        make_function(cast.developer, "fetch", dependencies=["parse", "gone"], hosts=["api.example.com"])
    return cast


def test_nodes_edges_and_what_is_wrong_come_as_json(library, by_token: Call) -> None:
    told = by_token(library.viewer).get("/graph").json()
    nodes = {node["key"]: node for node in told["nodes"]}
    assert set(nodes) == {"function:parse", "function:fetch", "function:gone", "host:api.example.com"}
    assert (nodes["function:parse"]["health"], nodes["function:gone"]["is_missing"]) == ("never_run", True)
    assert {(edge["source"], edge["target"]) for edge in told["edges"] if edge["problem"]} == {
        ("function:fetch", "function:gone")
    }
    assert told["cycles"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=host", {"api.example.com"}),
        ("kind=host&kind=function&focus=host:api.example.com&around=used_by", {"api.example.com", "fetch"}),
        ("search=parse", {"parse", "fetch"}),
        ("health=failing", set()),
        ("troubled=true&kind=function", {"fetch", "gone", "parse"}),
    ],
)
def test_a_part_of_it_can_be_asked_for(library, by_token: Call, query: str, expected: set[str]) -> None:
    told = by_token(library.viewer).get(f"/graph?{query}").json()
    assert {node["name"] for node in told["nodes"]} == expected


@pytest.mark.parametrize("query", ["health=splendid", "around=nowhere"])
def test_a_filter_that_does_not_exist_is_refused(library, by_token: Call, query: str) -> None:
    response = by_token(library.viewer).get(f"/graph?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


def test_a_focus_that_is_not_there_is_a_problem_of_its_own(library, by_token: Call) -> None:
    response = by_token(library.viewer).get("/graph?focus=function:nothing")
    assert (response.status_code, response.json()["code"]) == (404, "no_such_node")


def test_a_graph_that_is_too_large_says_what_to_do(library, by_token: Call, monkeypatch) -> None:
    monkeypatch.setattr("apps.functions.graph.MOST_DRAWN", 2)
    response = by_token(library.viewer).get("/graph")
    assert (response.status_code, response.json()["code"]) == (413, "graph_too_large")
    assert response.json()["details"] == {"most": 2}
