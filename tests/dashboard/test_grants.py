"""Hosts and secrets on pages and over the API: asked for in the form, decided with the source in view, told on the run."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db.models.functions import Now
from django.test import Client

from apps.approvals.models import ApprovalRequest
from apps.core.tenancy import scope
from apps.functions.models import Function, FunctionVersion
from apps.runs.models import Connection, Run
from apps.runs.services import start_run
from apps.vault.services import set_secret
from apps.workspaces.services import create_token

SOURCE = "def shout(text: str) -> str:\n    return text.upper()\n"
ASKED = {"source": SOURCE, "hosts": "api.example.org\nplain.example.org:80", "secrets": "API_KEY"}


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Client:
    return sign_in(cast.developer)


@pytest.fixture
def version(cast: SimpleNamespace, client: Client) -> FunctionVersion:
    """The developer's, saved by the form; its request is open."""
    with scope(cast.acme.pk):
        set_secret(actor=cast.admin, name="API_KEY", value="correct-horse")
    assert client.post("/w/acme/functions/new", ASKED).status_code == 302
    with scope(cast.acme.pk):
        return FunctionVersion.objects.select_related("function").get()


@pytest.fixture
def run(cast: SimpleNamespace, version: FunctionVersion) -> Run:
    with scope(cast.acme.pk):
        return start_run(actor=cast.developer, version=version, arguments={"text": "a"})


def the_request(cast: SimpleNamespace) -> ApprovalRequest:
    with scope(cast.acme.pk):
        return ApprovalRequest.objects.get()


def words(response) -> str:
    return " ".join(response.content.decode().split())


def test_the_form_asks_and_the_function_s_page_tells_how_it_stands(cast, client, version) -> None:
    assert (version.hosts, version.secrets) == (["api.example.org", "plain.example.org:80"], ["API_KEY"])
    page = words(client.get(f"/w/acme/functions/{version.function_id}/"))
    assert "The hosts, secrets and models that it asks for wait for a decision" in page
    assert f"/w/acme/approvals/{the_request(cast).pk}/" in page


def test_saving_without_a_change_of_them_keeps_them(cast, client, version) -> None:
    edit = f"/w/acme/functions/{version.function_id}/edit"
    page = words(client.get(edit))
    assert "plain.example.org:80</textarea>" in page
    client.post(edit, {**ASKED, "source": SOURCE + "# clearer\n"})
    with scope(cast.acme.pk):
        active = Function.objects.select_related("active_version").get().active_version
        assert (active.number, active.hosts, active.secrets) == (2, version.hosts, version.secrets)


def test_adding_a_host_makes_a_run_one_that_is_not_tried_twice_unless_the_author_says_so(cast, client) -> None:
    client.post("/w/acme/functions/new", {"source": SOURCE})
    with scope(cast.acme.pk):
        function = Function.objects.get()
    edit = f"/w/acme/functions/{function.pk}/edit"
    client.post(edit, {"source": SOURCE, "hosts": "api.example.org", "retry_class": "on_lost"})  # as it was filled in
    client.post(edit, {"source": SOURCE, "hosts": "api.example.org", "retry_class": "on_lost", "description": "Said."})
    with scope(cast.acme.pk):
        classes = list(FunctionVersion.objects.order_by("number").values_list("retry_class", flat=True))
    assert classes == ["on_lost", "never", "on_lost"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"hosts": "https://api.example.org"}, "is no host"),
        ({"hosts": "10.0.0.1"}, "is an address"),
        ({"secrets": "NOWHERE"}, "There is no secret NOWHERE"),
    ],
)
def test_what_cannot_be_granted_is_told_and_nothing_is_kept(cast, client, asked: dict[str, str], said: str) -> None:
    response = client.post("/w/acme/functions/new", {"source": SOURCE, **asked})
    assert (response.status_code, said in words(response)) == (422, True)
    with scope(cast.acme.pk):
        assert not Function.objects.exists()
        assert not ApprovalRequest.objects.exists()


def test_the_request_shows_first_what_widens_and_the_source(cast, sign_in, version) -> None:
    page = words(sign_in(cast.approver).get(f"/w/acme/approvals/{the_request(cast).pk}/"))
    assert page.index("New for this function") < page.index("upper")
    assert "On this port also without encryption." in page
    assert "API_KEY" in page
    assert "correct-horse" not in page


def test_a_vote_lets_the_waiting_run_go_on_and_pages_say_so(cast, sign_in, client, version, run) -> None:
    waiting = words(client.get(f"/w/acme/runs/{run.pk}/"))
    assert "See what it asks for" in waiting
    asked = the_request(cast)
    voted = sign_in(cast.approver).post(
        f"/w/acme/approvals/{asked.pk}/vote", {"decision": "approve", "reason": "", "shown_digest": asked.digest}
    )
    assert voted.status_code == 302
    with scope(cast.acme.pk):
        assert Run.objects.get().state == "queued"
    assert "wait for a decision" not in words(client.get(f"/w/acme/functions/{version.function_id}/"))


def test_connections_are_on_the_run_s_page_and_over_the_api(cast, client, run) -> None:
    address = f"/w/acme/runs/{run.pk}/"
    assert "It has not tried to reach a host yet." in words(client.get(address))
    with scope(cast.acme.pk):
        facts = {"run": run, "attempt": 1, "sent": 10, "received": 2048, "seconds": 0.5, "ended_at": Now()}
        Connection.objects.create(host="api.example.org", port=443, verdict="allowed", **facts)
        Connection.objects.create(host="<b>\u202eevil", port=None, verdict="refused", reason="<i>no</i>", **facts)
        token = create_token(actor=cast.viewer, name="A program", lifetime=None)
    page = words(client.get(address))
    assert "api.example.org:443" in page
    assert "<b>" not in page.partition('id="connections"')[2].partition("</section>")[0]
    assert "\u202e" not in page
    answer = client.get(f"/api/v1/runs/{run.pk}/connections", headers={"Authorization": f"Bearer {token}"}).json()
    assert [(each["host"], each["verdict"]) for each in answer["items"]][1] == ("api.example.org", "allowed")


def test_a_run_without_hosts_says_why_it_has_no_connections(cast, client, things) -> None:
    assert "no way out at all" in words(client.get(f"/w/acme/runs/{things.run.pk}/"))


def test_hosts_and_secrets_are_stated_and_kept_over_the_api(cast, client, version) -> None:
    with scope(cast.acme.pk):
        token = create_token(actor=cast.developer, name="A program", lifetime=None)
    given = {"content_type": "application/json", "headers": {"Authorization": f"Bearer {token}"}}
    kept = client.post("/api/v1/functions/shout/versions", {"source": SOURCE + "#"}, **given).json()
    assert (kept["hosts"], kept["secrets"]) == (["api.example.org", "plain.example.org:80"], ["API_KEY"])
    narrower = client.post("/api/v1/functions/shout/versions", {"source": SOURCE, "secrets": []}, **given).json()
    assert (narrower["hosts"], narrower["secrets"]) == (["api.example.org", "plain.example.org:80"], [])
    refused = client.post("/api/v1/functions", {"source": "def f(): ...", "hosts": ["127.0.0.1"]}, **given)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_grant")
