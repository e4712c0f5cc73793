"""The dependency graph: what is in it, what it says is wrong, and which part of it is shown."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from apps.core.ids import uuid7
from apps.core.tenancy import scope
from apps.functions import graph as graphs
from apps.functions.graph import Around, Graph, GraphTooLarge, Node, NoSuchNode, Selection, read_graph, select, select_drawable
from apps.functions.graph.cycles import find_cycles
from apps.functions.graph.selection import reach
from apps.functions.models import Function, FunctionVersion
from apps.packages.states import PackageState
from apps.vault.services import set_secret
from tests.dashboard.conftest import make_function, make_package_set

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(cast: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """report → fetch → parse; report needs pandas, fetch a secret and a host. Inside acme's scope."""
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="TOKEN", value="s3cret-value")
        function(cast, "parse")
        function(cast, "fetch", dependencies=["parse"], secrets=["TOKEN"], hosts=["api.example.com"])
        function(cast, "report", dependencies=["fetch"], requirements=["pandas>=2"])
        yield cast


def function(cast: SimpleNamespace, name: str, *, tags: tuple[str, ...] = (), **fields: object) -> FunctionVersion:
    version = make_function(cast.developer, name, **fields)
    if tags:
        Function.objects.filter(pk=version.function_id).update(tags=list(tags))
    return version


def edges(graph: Graph) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in graph.edges}


def problem_of(graph: Graph, source: str, target: str) -> str:
    return next(edge.problem for edge in graph.edges if (edge.source, edge.target) == (source, target))


def test_functions_packages_secrets_and_hosts_are_nodes_and_every_use_is_an_edge(library) -> None:
    graph = read_graph(actor=library.viewer)
    assert set(graph.nodes) == {
        "function:parse", "function:fetch", "function:report", "package:pandas", "secret:TOKEN", "host:api.example.com",
    }  # fmt: skip
    assert edges(graph) == {
        ("function:fetch", "function:parse"), ("function:fetch", "secret:TOKEN"), ("function:fetch", "host:api.example.com"),
        ("function:report", "function:fetch"), ("function:report", "package:pandas"),
    }  # fmt: skip
    assert (graph.broken, graph.cycles) == ([], [])


def test_an_edge_to_a_package_says_which_versions_are_wanted(library) -> None:
    function(library, "count", requirements=["pandas<3"])
    graph = read_graph(actor=library.viewer)
    notes = {edge.source: edge.note for edge in graph.edges if edge.target == "package:pandas"}
    assert notes == {"function:report": "pandas>=2", "function:count": "pandas<3"}


def test_a_secret_that_no_function_uses_is_a_node_and_a_models_secret_is_not(library) -> None:
    set_secret(actor=library.admin, name="SPARE", value="s3cret-value")
    set_secret(actor=library.admin, name="MODEL_KEY", value="s3cret-value", purpose="model")
    names = {node.name for node in read_graph(actor=library.viewer).of_kind("secret")}
    assert names == {"TOKEN", "SPARE"}


def test_no_value_of_a_secret_is_in_the_graph(library) -> None:
    assert "s3cret-value" not in repr(read_graph(actor=library.viewer))


def test_a_function_that_is_gone_is_drawn_as_missing_and_its_edge_says_what_to_do(library) -> None:
    function(library, "mail", dependencies=["format_mail"])
    graph = read_graph(actor=library.viewer)
    assert graph.nodes["function:format_mail"].is_missing
    assert not graph.nodes["function:mail"].is_missing
    said = problem_of(graph, "function:mail", "function:format_mail")
    assert said == "“mail” calls “format_mail”, which is not there. Write it, or save “mail” without the call."


def test_a_secret_that_is_gone_is_drawn_as_missing(library) -> None:
    function(library, "mail", secrets=["PASSWORD"])
    graph = read_graph(actor=library.viewer)
    assert graph.nodes["secret:PASSWORD"].is_missing
    assert "an admin can add it" in problem_of(graph, "function:mail", "secret:PASSWORD")


def test_a_call_of_a_function_without_an_active_version_is_broken(library) -> None:
    Function.objects.filter(name="parse").update(active_version=None)
    graph = read_graph(actor=library.viewer)
    assert graph.nodes["function:parse"].problems == ["It has no active version, so it cannot run."]
    assert "no active version" in problem_of(graph, "function:fetch", "function:parse")
    assert problem_of(graph, "function:report", "function:fetch") == ""


@pytest.mark.parametrize(
    ("state", "is_broken"),
    [
        (PackageState.REJECTED, True),
        (PackageState.FAILED, True),
        (PackageState.AWAITING_APPROVAL, False),
        (PackageState.READY, False),
    ],
)
def test_packages_that_were_refused_make_the_edge_broken_and_those_that_wait_do_not(library, state, is_broken) -> None:
    package_set = make_package_set(library.developer)
    type(package_set).objects.filter(pk=package_set.pk).update(state=state)
    function(library, "page", requirements=["markdown"], package_set=package_set)
    assert bool(problem_of(read_graph(actor=library.viewer), "function:page", "package:markdown")) is is_broken


def test_a_circle_is_found_and_only_its_own_edges_are_marked(library) -> None:
    function(library, "chicken", dependencies=["egg", "parse"])
    function(library, "egg", dependencies=["chicken"])
    graph = read_graph(actor=library.viewer)
    assert graph.cycles == [("function:chicken", "function:egg")]
    circular = {(edge.source, edge.target) for edge in graph.edges if edge.is_circular}
    assert circular == {("function:chicken", "function:egg"), ("function:egg", "function:chicken")}


def test_two_circles_that_are_joined_by_an_edge_stay_two(library) -> None:
    for name, calls in (("a", ["b"]), ("b", ["a", "c"]), ("c", ["d"]), ("d", ["c"])):
        function(library, name, dependencies=calls)
    graph = read_graph(actor=library.viewer)
    assert graph.cycles == [("function:a", "function:b"), ("function:c", "function:d")]
    assert not next(edge for edge in graph.edges if (edge.source, edge.target) == ("function:b", "function:c")).is_circular


def test_a_workspace_sees_its_own_functions_and_secrets_alone(cast) -> None:
    with scope(cast.globex.pk):
        set_secret(actor=cast.stranger, name="THEIRS", value="s3cret-value")
        make_function(cast.stranger, "theirs", hosts=["theirs.example.com"], requirements=["theirs"])
    with scope(cast.acme.pk):
        assert read_graph(actor=cast.owner).nodes == {}
    with scope(cast.globex.pk):
        assert len(read_graph(actor=cast.stranger).nodes) == 4


def test_what_a_task_made_for_itself_is_not_in_the_graph(library) -> None:
    Function.objects.create(name="draft", task_id=uuid7(), created_by=library.developer)
    assert "function:draft" not in read_graph(actor=library.viewer).nodes


def test_a_graph_costs_as_many_queries_for_many_functions_as_for_few(library) -> None:
    counts = []
    for first in (0, 40):
        for number in range(first, first + 30):
            function(
                library, f"f{number}", dependencies=["parse", f"gone{number}"], requirements=[f"p{number}"], hosts=[f"h{number}"]
            )
        with CaptureQueriesContext(connection) as queries:
            read_graph(actor=library.viewer)
        counts.append(len(queries))
    assert counts == [4, 4]  # functions, secrets, health, rules


def test_more_functions_than_a_graph_is_made_of_are_refused_with_a_sentence(library, monkeypatch) -> None:
    monkeypatch.setattr("apps.functions.graph.parts.MOST_FUNCTIONS", 2)
    with pytest.raises(GraphTooLarge, match="more than 2 functions") as refusal:
        read_graph(actor=library.viewer)
    assert refusal.value.details == {"most": 2}


def test_more_than_a_picture_holds_is_refused_and_a_part_of_it_is_not(library, monkeypatch) -> None:
    monkeypatch.setattr("apps.functions.graph.MOST_DRAWN", 4)
    graph = read_graph(actor=library.viewer)
    with pytest.raises(GraphTooLarge, match="These are 6 things, and a picture holds 4"):
        select_drawable(graph, Selection())
    assert len(select_drawable(graph, Selection(focus="function:parse", around=Around.USED_BY)).nodes) == 3


# Which part is shown


def shown(graph: Graph, **wanted: object) -> set[str]:
    """What was chosen; what only stands beside it in brackets."""
    part = select(graph, Selection(**wanted))
    return {f"({node.name})" if node.is_context else node.name for node in part.nodes.values()}


def test_words_choose_by_name_description_and_tag_and_neighbours_stay_as_context(library) -> None:
    function(library, "plot", tags=("chart",))
    graph = read_graph(actor=library.viewer)
    assert shown(graph, text="REPORT") == {"report", "(fetch)", "(pandas)"}
    assert shown(graph, text="chart") == {"plot"}
    assert shown(graph, text="loudly plot") == {"plot"}
    assert shown(graph, text="pandas") == {"pandas", "(report)"}
    assert shown(graph, text="no-such-thing") == set()


def test_a_tag_chooses_the_functions_that_carry_it(library) -> None:
    function(library, "plot", tags=("chart",), dependencies=["parse"])
    assert shown(read_graph(actor=library.viewer), tag="chart") == {"plot", "(parse)"}


def test_kinds_take_all_others_out(library) -> None:
    graph = read_graph(actor=library.viewer)
    assert shown(graph, kinds=frozenset({"function"})) == {"report", "fetch", "parse"}
    assert shown(graph, kinds=frozenset({"host", "secret"})) == {"TOKEN", "api.example.com"}


def test_impact_is_all_that_uses_something_through_others_too(library) -> None:
    graph = read_graph(actor=library.viewer)
    assert shown(graph, focus="function:parse", around=Around.USED_BY) == {"parse", "fetch", "report"}
    assert shown(graph, focus="host:api.example.com", around=Around.USED_BY) == {"api.example.com", "fetch", "report"}


def test_ancestry_is_all_that_something_uses_through_others_too(library) -> None:
    graph = read_graph(actor=library.viewer)
    assert shown(graph, focus="function:fetch", around=Around.USES) == {"fetch", "parse", "TOKEN", "api.example.com"}


def test_a_neighbourhood_goes_one_step_both_ways(library) -> None:
    graph = read_graph(actor=library.viewer)
    assert shown(graph, focus="function:report", around=Around.NEIGHBOURS) == {"report", "fetch", "pandas"}


def test_a_focus_that_is_gone_is_told(library) -> None:
    with pytest.raises(NoSuchNode, match="removed or renamed"):
        select(read_graph(actor=library.viewer), Selection(focus="function:gone"))


def test_what_is_wrong_can_be_chosen_alone(library) -> None:
    function(library, "mail", dependencies=["format_mail", "parse"])
    function(library, "egg", dependencies=["egg"])
    assert shown(read_graph(actor=library.viewer), is_troubled=True) == {"mail", "format_mail", "egg", "(parse)"}


def test_choosing_leaves_the_whole_graph_as_it_is(library) -> None:
    graph = read_graph(actor=library.viewer)
    select(graph, Selection(text="report"))
    assert not any(node.is_context for node in graph.nodes.values())


# Kinds of other apps


@pytest.fixture
def registered(monkeypatch) -> None:
    monkeypatch.setattr(graphs, "_parts", dict(graphs._parts))


def test_another_app_can_draw_a_kind_of_its_own(library, registered) -> None:
    def draw_bells(graph: Graph) -> None:
        bell = graph.add_node(Node("bell", "every morning"))
        graph.add_edge(bell, graph.nodes["function:report"])

    for _ in range(2):
        graphs.register_part(draw_bells, kinds=("bell",))
    assert graphs.kinds().count("bell") == 1
    graph = read_graph(actor=library.viewer)
    assert shown(graph, focus="function:parse", around=Around.USED_BY) == {"parse", "fetch", "report", "every morning"}


# Circles in any graph

KEYS = "abcdef"
FOLLOWING = st.dictionaries(st.sampled_from(KEYS), st.lists(st.sampled_from(KEYS), max_size=4)).map(
    lambda some: {key: some.get(key, []) for key in KEYS}
)


@given(FOLLOWING)
def test_two_are_in_one_circle_when_each_reaches_the_other(following: dict[str, list[str]]) -> None:
    together = {
        key: {other for other in KEYS if other in reach(key, following) and key in reach(other, following)} for key in KEYS
    }
    expected = {tuple(sorted(group)) for key, group in together.items() if len(group) > 1 or key in following[key]}
    found = find_cycles(following)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_a_chain_longer_than_pythons_stack_is_gone_through() -> None:
    length = 20_000
    following = {str(number): [str(number + 1)] for number in range(length)} | {str(length): ["0"]}
    (cycle,) = find_cycles(following)
    assert len(cycle) == length + 1
