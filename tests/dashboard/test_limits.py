"""The page of a workspace's limits."""

from html import unescape
from types import SimpleNamespace

from apps.core.tenancy import scope
from apps.functions.limits import LIMITS, workspace_maxima
from apps.functions.models import LimitMaximum
from tests.dashboard.conftest import make_function

URL = "/w/acme/limits/"


def test_every_limit_is_told_with_what_happens_at_it(cast: SimpleNamespace, sign_in) -> None:
    page = unescape(sign_in(cast.viewer).get(URL).content.decode())
    assert [row.label for row in LIMITS.values() if row.label not in page or row.at_it not in page] == []
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
    assert "Admins and owners may change these." in page


def test_an_admin_sets_what_differs_and_the_rest_stays(cast, sign_in) -> None:
    client = sign_in(cast.admin)
    response = client.post(URL, {"limit_memory_bytes": "2 GiB", "limit_wall_seconds": ""}, follow=True)
    page = response.content.decode()
    assert "Set: Memory." in page
    assert 'value="2 GiB"' in page
    with scope(cast.acme.pk):
        assert [(row.name, row.amount, row.set_by) for row in LimitMaximum.objects.all()] == [
            ("memory_bytes", float(2 << 30), cast.admin)
        ]
    assert "Nothing was changed." in client.post(URL, {"limit_memory_bytes": "2 GiB"}, follow=True).content.decode()


def test_a_maximum_that_cannot_be_is_told_at_its_field_and_nothing_is_set(cast, sign_in) -> None:
    response = sign_in(cast.owner).post(URL, {"limit_memory_bytes": "9 GiB", "limit_wall_seconds": "60 s"})
    page = response.content.decode()
    assert response.status_code == 422
    assert "must be from 64 MiB to 8 GiB." in page
    assert 'value="9 GiB"' in page
    with scope(cast.acme.pk):
        assert workspace_maxima()["wall_seconds"] == LIMITS["wall_seconds"].maximum


def test_functions_that_ask_for_more_than_the_most_are_named_here_and_on_their_page(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        version = make_function(cast.developer, limits={"wall_seconds": 200})
        make_function(cast.developer, "whisper")
    client = sign_in(cast.admin)
    assert "so their runs are refused" not in client.get(URL).content.decode()
    page = client.post(URL, {"limit_wall_seconds": "10 s"}, follow=True).content.decode()
    assert "so their runs are refused" in page
    assert "whisper" not in page.partition("<main")[2]
    told = client.get(f"/w/acme/functions/{version.function_id}/").content.decode()
    assert "A run of this version is refused" in told
    refused = client.post(f"/w/acme/functions/{version.function_id}/run", {"version": str(version.pk), "argument-text": "x"})
    assert (refused.status_code, "asks for 200 s of “Time”" in refused.content.decode()) == (422, True)
