"""The page of the dependency graph: picture, list, panel, filters, files."""

import json
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import scope
from apps.dashboard.graph_node import KINDS
from apps.dashboard.graph_page import ROWS
from apps.functions.graph import kinds
from apps.functions.models import Function
from apps.runs.states import RunState
from apps.vault.services import set_secret
from tests.dashboard.conftest import make_function, make_run

type SignIn = Callable[..., Client]


@pytest.fixture
def library(cast: SimpleNamespace) -> SimpleNamespace:
    """report → fetch → parse; report fails and needs pandas, fetch needs a secret; mail calls what is gone."""
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="TOKEN", value="s3cret-value")
        make_function(cast.developer, "parse")
        make_function(cast.developer, "fetch", dependencies=["parse"], secrets=["TOKEN"], hosts=["api.example.com"])
        report = make_function(cast.developer, "report", dependencies=["fetch"], requirements=["pandas>=2"])
        make_run(cast.developer, report, state=RunState.FAILED)
        Function.objects.filter(name="report").update(tags=["finance"])
        make_function(cast.developer, "mail", dependencies=["gone"])
    return cast


def text_of(client: Client, query: str = "") -> str:
    response = client.get(f"/w/acme/graph/{query}")
    assert response.status_code == 200
    return response.content.decode()


def names(page: str) -> list[str]:
    return re.findall(r'class="main-cell"><a class="mono"[^>]*>([^<]+)<', page)


def boxes(client: Client, query: str = "") -> set[str]:
    return {box["words"] for box in client.get(f"/w/acme/graph/data{query}").json()["boxes"]}


def test_every_kind_of_node_has_a_look() -> None:
    assert set(kinds()) == set(KINDS)


def test_an_empty_workspace_is_told_what_to_do(cast, sign_in: SignIn) -> None:
    page = text_of(sign_in(cast.developer))
    assert "Nothing to draw yet" in page
    assert 'href="/w/acme/functions/new"' in page
    assert "data-picture" not in page
    assert "once a developer or an agent has written one" in text_of(sign_in(cast.viewer))


def test_the_list_says_of_each_thing_what_it_uses_and_what_uses_it(library, sign_in: SignIn) -> None:
    page = text_of(sign_in(library.viewer), "?view=list")
    assert names(page) == ["api.example.com", "fetch", "gone", "mail", "pandas", "parse", "report", "TOKEN"]
    row = next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if ">fetch</a>" in row.partition("</td>")[0])
    uses, used_by = re.search(r'data-label="Uses">(.*?)</td>.*data-label="Used by">(.*?)</td>', row, re.DOTALL).groups()
    assert re.findall(r">(\S+)</a>", uses) == ["parse", "TOKEN", "api.example.com"]
    assert re.findall(r">(\S+)</a>", used_by) == ["report"]


def test_the_page_counts_what_it_shows_and_tells_what_is_wrong(library, sign_in: SignIn) -> None:
    page = text_of(sign_in(library.viewer))
    assert "5 functions, 1 package, 1 secret, 1 host" in page
    assert "1 thing wrong" in page
    assert "“mail” calls “gone”, which is not there." in page


def test_a_circle_is_told_by_name(library, sign_in: SignIn) -> None:
    with scope(library.acme.pk):
        make_function(library.developer, "egg", dependencies=["hen"])
        make_function(library.developer, "hen", dependencies=["egg"])
    page = text_of(sign_in(library.viewer))
    assert re.search(r"need each other in a circle.*>egg</a>.*>hen</a>", page)
    data = sign_in(library.viewer).get("/w/acme/graph/data?q=egg").json()
    assert [arrow["isCircular"] for arrow in data["arrows"]] == [True, True]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=parse", {"parse", "fetch"}),
        ("?tag=finance", {"report", "fetch", "pandas"}),
        ("?health=failing", {"report", "fetch", "pandas"}),
        ("?kind=secret&kind=host", {"TOKEN", "api.example.com"}),
        ("?troubled=on", {"mail", "gone"}),
        ("?focus=function:parse&around=used_by", {"parse", "fetch", "report"}),
        ("?focus=function:report&around=uses&kind=function", {"report", "fetch", "parse"}),
        ("?focus=secret:TOKEN&around=neighbours", {"TOKEN", "fetch"}),
        (
            "?health=splendid&around=nowhere&kind=cheese",
            {"api.example.com", "fetch", "gone", "mail", "pandas", "parse", "report", "TOKEN"},
        ),
    ],
)
def test_picture_list_and_files_show_the_same_part(library, sign_in: SignIn, query: str, expected: set[str]) -> None:
    client = sign_in(library.viewer)
    assert boxes(client, query) == expected
    assert set(names(text_of(client, f"{query}&view=list"))) == expected
    svg = client.get(f"/w/acme/graph/export.svg{query}").content.decode()
    assert set(re.findall(r">([^<]+)</text>", svg)) == expected
    mermaid = client.get(f"/w/acme/graph/export.mmd{query}").content.decode()
    assert {name.removesuffix(" (missing)") for name in re.findall(r'n\d+\W+"([^"]+)"', mermaid)} == expected


def test_a_filter_that_nothing_fits_says_so(library, sign_in: SignIn) -> None:
    assert "Nothing matches" in text_of(sign_in(library.viewer), "?q=no-such-thing")


def test_htmx_gets_the_found_part_alone(library, sign_in: SignIn) -> None:
    response = sign_in(library.viewer).get("/w/acme/graph/?q=parse", headers={"HX-Request": "true"})
    assert response.content.decode().lstrip().startswith('<div class="stack" id="results">')


def test_files_are_downloads_named_after_the_workspace(library, sign_in: SignIn) -> None:
    client = sign_in(library.viewer)
    for ending, kind in (("svg", "image/svg+xml"), ("mmd", "text/plain; charset=utf-8")):
        response = client.get(f"/w/acme/graph/export.{ending}")
        assert response.headers["Content-Type"] == kind
        assert response.headers["Content-Disposition"] == f'attachment; filename="acme-graph.{ending}"'
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_picture_tells_kind_health_and_trouble_in_words(library, sign_in: SignIn) -> None:
    told = sign_in(library.viewer).get("/w/acme/graph/data").json()
    by_name = {box["words"]: box for box in told["boxes"]}
    assert by_name["report"]["title"] == "report: function, failing"
    assert by_name["report"]["tone"] == "bad"
    assert by_name["gone"]["title"] == "gone: function, missing"
    assert by_name["TOKEN"]["title"] == "TOKEN: secret"
    assert [arrow["target"] for arrow in told["arrows"] if arrow["isBroken"]] == ["function:gone"]
    assert "s3cret-value" not in json.dumps(told)


def test_the_panel_of_a_function_has_source_runs_and_the_way_to_its_form(library, sign_in: SignIn) -> None:
    with scope(library.acme.pk):
        function = Function.objects.get(name="report")
        run = function.runs.get()
    panel = sign_in(library.operator).get("/w/acme/graph/node?key=function:report").content.decode()
    assert f'href="/w/acme/functions/{function.pk}/#run"' in panel
    assert f'href="/w/acme/runs/{run.pk}/"' in panel
    assert "upper" in panel
    assert "5, through others too" in panel  # pandas, fetch, and what that uses
    assert "pandas&gt;=2" in panel


def test_who_may_not_run_is_not_led_to_the_form(library, sign_in: SignIn) -> None:
    panel = sign_in(library.viewer).get("/w/acme/graph/node?key=function:report").content.decode()
    assert "Run it" not in panel
    assert "Open the function" in panel


@pytest.mark.parametrize("key", ["function:gone", "package:pandas", "secret:TOKEN", "host:api.example.com"])
def test_everything_has_a_panel(library, sign_in: SignIn, key: str) -> None:
    panel = sign_in(library.viewer).get("/w/acme/graph/node", {"key": key}).content.decode()
    assert key.partition(":")[2] in panel
    assert "Used by" in panel


def test_a_focus_opens_its_panel_and_offers_what_to_show_round_it(library, sign_in: SignIn) -> None:
    page = text_of(sign_in(library.viewer), "?focus=function:fetch&around=uses")
    assert 'id="panel-title"' in page
    assert "All that uses it" in page


@pytest.mark.parametrize(
    "address", ["node?key=function:no", "?focus=function:no", "data?focus=function:no", "export.svg?focus=x"]
)
def test_what_is_not_in_the_graph_is_not_found(library, sign_in: SignIn, address: str) -> None:
    assert sign_in(library.viewer).get(f"/w/acme/graph/{address}").status_code == 404


def test_a_stranger_sees_nothing_of_it(library, sign_in: SignIn) -> None:
    for address in ("", "data", "node?key=function:report", "export.svg", "export.mmd"):
        response = sign_in(library.stranger).get(f"/w/acme/graph/{address}")
        assert response.status_code == 404
        assert b"report" not in response.content


def test_more_than_a_picture_holds_is_a_list_with_a_sentence(library, sign_in: SignIn, monkeypatch) -> None:
    for place in ("apps.functions.graph.MOST_DRAWN", "apps.dashboard.graph_page.MOST_DRAWN"):
        monkeypatch.setattr(place, 4)
    client = sign_in(library.viewer)
    page = text_of(client)
    assert "These are 8 things, and a picture holds 4." in page
    assert len(names(page)) == 8
    assert "data-picture" not in page
    assert client.get("/w/acme/graph/data").status_code == 413
    assert "data-picture" in text_of(client, "?q=parse")


def test_a_library_too_large_to_be_read_is_told_on_the_page(library, sign_in: SignIn, monkeypatch) -> None:
    monkeypatch.setattr("apps.functions.graph.parts.MOST_FUNCTIONS", 2)
    page = text_of(sign_in(library.viewer))
    assert "more than 2 functions" in page
    assert "graph-filter" not in page


def test_the_list_goes_on_where_a_page_ends_and_back(library, sign_in: SignIn) -> None:
    with scope(library.acme.pk):
        for number in range(ROWS):
            make_function(library.developer, f"z{number:03}")
    client = sign_in(library.viewer)
    first, second = text_of(client, "?view=list"), text_of(client, "?view=list&page=2")
    assert len(names(first)) == ROWS
    assert names(second) == [f"z{number:03}" for number in range(ROWS - 8, ROWS)]
    assert 'href="?view=list&amp;page=2"' in first
    assert 'href="?view=list&amp;page=1"' in second


def test_the_page_costs_as_many_queries_for_many_functions_as_for_few(library, sign_in: SignIn) -> None:
    client = sign_in(library.viewer)
    counts: list[tuple[int, ...]] = []
    for first in (0, 20):
        with scope(library.acme.pk):
            for number in range(first, first + 10):
                make_run(library.developer, make_function(library.developer, f"f{number}", dependencies=["parse"]))
        asked = []
        for address in ("?view=list", "data", "node?key=function:parse", "?focus=function:parse"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(f"/w/acme/graph/{address}").status_code == 200
            asked.append(len(queries))
        counts.append(tuple(asked))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 21


def test_names_of_tools_stay_text(library, sign_in: SignIn) -> None:
    with scope(library.acme.pk):
        make_function(library.developer, "odd", hosts=['<b>"x"&.example.com'])
    client = sign_in(library.viewer)
    assert "<b>" not in text_of(client, "?view=list")
    assert "<b>" not in client.get("/w/acme/graph/node", {"key": 'host:<b>"x"&.example.com'}).content.decode()
