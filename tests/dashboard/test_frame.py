"""What is the same on every page: the way in, the frame, the pages of errors."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.tenancy import scope
from apps.workspaces.models import Membership


def test_the_root_leads_to_the_first_workspace(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> None:
    assert sign_in(cast.viewer).get("/").headers["Location"] == "/w/acme/"
    assert Client().get("/").headers["Location"] == "/accounts/login/?next=/"


def test_whoever_belongs_to_no_workspace_is_told_so(db) -> None:
    client = Client()
    client.force_login(User.objects.create_user(username="newcomer"))
    response = client.get("/")
    assert (response.status_code, b"You belong to no workspace yet" in response.content) == (200, True)


def test_the_switcher_lists_all_ones_own_workspaces_and_no_other(cast, sign_in) -> None:
    with scope(cast.globex.pk):
        Membership.objects.create(user=cast.viewer.user, role="viewer")
    both, one = (sign_in(member).get("/w/acme/").content.decode() for member in (cast.viewer, cast.owner))
    assert 'href="/w/globex/"' in both
    assert "globex" not in one.lower()


def test_a_missing_permission_names_the_roles_that_have_it(cast, sign_in) -> None:
    response = sign_in(cast.viewer).get("/w/acme/secrets/new")
    assert (response.status_code, b"one must be admin or owner; you are viewer here" in response.content) == (403, True)


def test_a_form_with_too_much_text_is_told_so(cast, sign_in, settings) -> None:
    response = sign_in(cast.developer).post("/w/acme/functions/new", {"source": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)})
    assert (response.status_code, b"That is too large" in response.content) == (413, True)


def test_a_post_from_another_site_is_refused(cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.developer.user)
    response = client.post("/w/acme/tasks/new", {"prompt": "x"})
    assert (response.status_code, b"You may not do that" in response.content) == (403, True)


def test_an_unforeseen_error_is_a_plain_page_and_keeps_nothing(cast, monkeypatch) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("apps.dashboard.secrets.list_secrets", fail)
    client = Client(raise_request_exception=False)
    client.force_login(cast.viewer.user)
    response = client.get("/w/acme/secrets/")
    assert response.status_code == 500
    assert b"Something broke on our side" in response.content
    assert b"secret detail" not in response.content


def test_the_policy_forbids_inline_scripts_everywhere(cast, things, sign_in) -> None:
    client = sign_in(cast.owner)
    for url in ("/w/acme/", f"/w/acme/tasks/{things.task.pk}/", f"/w/acme/runs/{things.run.pk}/", "/w/acme/nowhere"):
        policy = client.get(url).headers["Content-Security-Policy"]
        assert "'unsafe-inline'" not in policy
        assert "script-src" in policy


@pytest.mark.parametrize(("runtime", "is_shown"), [("runsc", False), ("runc", True)])
def test_the_banner_stands_on_every_page_without_gvisor(cast, sign_in, settings, runtime: str, is_shown: bool) -> None:
    settings.SANDBOX_RUNTIME = runtime
    assert (b"No gVisor." in sign_in(cast.viewer).get("/w/acme/members/").content) is is_shown
