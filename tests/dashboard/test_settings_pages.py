"""Secrets, models, packages, members, audit, health."""

import json
import re
from types import SimpleNamespace

import pytest
from django.utils import timezone

from apps.audit.models import AuditRecord
from apps.audit.services import record, seal_records
from apps.core.tenancy import scope
from apps.llm.models import LanguageModel
from apps.monitoring.models import Alert, ProcessKind
from apps.monitoring.reports import process_name, report
from apps.packages.models import PackageSet
from apps.packages.states import PackageState
from apps.store.services import delete_document, write_document
from apps.vault.models import Secret
from apps.workspaces.models import ApiToken, Membership
from apps.workspaces.services import authenticate_token


def test_a_secret_is_kept_and_never_shown(cast: SimpleNamespace, sign_in) -> None:
    client = sign_in(cast.admin)
    assert client.post("/w/acme/secrets/new", {"name": "TOKEN", "value": "correct-horse"}).status_code == 302
    page = client.get("/w/acme/secrets/").content.decode()
    assert "TOKEN" in page
    assert "correct-horse" not in page


@pytest.mark.parametrize(("name", "value"), [("no name", "correct-horse"), ("TOKEN", "short")])
def test_a_refused_secret_is_not_sent_back(cast, sign_in, name: str, value: str) -> None:
    response = sign_in(cast.admin).post("/w/acme/secrets/new", {"name": name, "value": value})
    assert response.status_code == 422
    assert value not in response.content.decode()
    with scope(cast.acme.pk):
        assert not Secret.objects.exists()


def test_a_model_is_added_and_its_key_never_shown(cast, sign_in) -> None:
    client = sign_in(cast.admin)
    given = {"name": "Big", "model": "openai/gpt-x", "api_key": "sk-very-secret", "is_default": "on"}
    response = client.post("/w/acme/models/new", given)
    with scope(cast.acme.pk):
        model = LanguageModel.objects.get()
    assert response.headers["Location"] == f"/w/acme/models/{model.pk}/"
    page = client.get(response.headers["Location"]).content.decode()
    assert "sk-very-secret" not in page
    assert "A worker asks it one short question" in page
    assert "Runs on Big" in sign_in(cast.developer).get("/w/acme/tasks/new").content.decode()


@pytest.mark.parametrize("address", ["http://127.0.0.1:11434", "http://169.254.169.254/", "file:///etc/passwd"])
def test_an_address_that_must_not_be_reached_is_refused_and_the_key_not_sent_back(cast, sign_in, address: str) -> None:
    given = {"name": "Local", "model": "openai/x", "base_url": address, "api_key": "sk-very-secret"}
    response = sign_in(cast.admin).post("/w/acme/models/new", given)
    assert response.status_code == 422
    assert b"sk-very-secret" not in response.content
    with scope(cast.acme.pk):
        assert not LanguageModel.objects.exists()
        assert not Secret.objects.exists()


def test_packages_are_asked_for_and_followed(cast, sign_in) -> None:
    client = sign_in(cast.developer)
    response = client.post("/w/acme/packages/", {"requirements": "Markdown\n", "reason": "Pages."})
    with scope(cast.acme.pk):
        package_set = PackageSet.objects.get()
        assert package_set.requirements == ["markdown"]
    page = client.get(response.headers["Location"]).content.decode()
    assert "Being resolved" in page
    assert "Resolved and examined" in page


@pytest.mark.parametrize("name", ["https://x.example/a.whl", "git+https://x.example/a", "", "/etc/passwd"])
def test_a_wish_for_packages_that_cannot_be_is_told_in_the_form(cast, sign_in, name: str) -> None:
    response = sign_in(cast.developer).post("/w/acme/packages/", {"requirements": name, "reason": "Pages."})
    assert response.status_code == 422
    with scope(cast.acme.pk):
        assert not PackageSet.objects.exists()


def test_a_set_that_failed_says_where_it_stopped_and_why(cast, things, sign_in) -> None:
    with scope(cast.acme.pk):
        rows = PackageSet.objects.filter(pk=things.package_set.pk)
        rows.update(state=PackageState.REJECTED, failure="Too young.")
    page = sign_in(cast.viewer).get(f"/w/acme/packages/{things.package_set.pk}/").content.decode()
    assert "Too young." in page
    assert 'hx-trigger="every 2s"' not in page


def test_an_admin_gives_and_takes_roles(cast, sign_in) -> None:
    client = sign_in(cast.admin)
    assert client.post("/w/acme/members/", {"account": "stranger@example.com", "role": "viewer"}).status_code == 302
    assert sign_in(cast.stranger).get("/w/acme/").status_code == 200
    with scope(cast.acme.pk):
        member = Membership.objects.get(user=cast.stranger.user)
    assert client.post(f"/w/acme/members/{member.pk}/remove").status_code == 302
    assert sign_in(cast.stranger).get("/w/acme/").status_code == 404


def test_an_account_that_does_not_exist_is_told_in_the_form(cast, sign_in) -> None:
    response = sign_in(cast.admin).post("/w/acme/members/", {"account": "nobody", "role": "viewer"})
    assert (response.status_code, b"There is no such account" in response.content) == (422, True)


def test_an_admin_makes_no_owner_and_the_last_owner_stays(cast, sign_in) -> None:
    assert sign_in(cast.admin).post("/w/acme/members/", {"account": "viewer", "role": "owner"}).status_code == 403
    stays = sign_in(cast.owner).post("/w/acme/members/", {"account": "owner", "role": "viewer"})
    assert (stays.status_code, b"at least one owner" in stays.content) == (409, True)


def test_a_token_is_shown_once_and_stops_when_it_is_revoked(cast, sign_in) -> None:
    client = sign_in(cast.developer)
    made = client.post("/w/acme/tokens/", {"name": "A script", "days": "30", "scopes": ["view", "run"]})
    token = re.search(r"sst_[\w-]+", made.content.decode())[0]
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    assert authenticate_token(token, now=timezone.now()) == cast.developer
    assert token not in client.get("/w/acme/tokens/").content.decode()
    with scope(cast.acme.pk):
        row = ApiToken.objects.get()
    assert sign_in(cast.owner).post(f"/w/acme/tokens/{row.pk}/revoke").status_code == 404
    assert client.post(f"/w/acme/tokens/{row.pk}/revoke").status_code == 302
    assert authenticate_token(token, now=timezone.now()) is None


def test_a_member_is_offered_only_scopes_that_their_role_has(cast, sign_in) -> None:
    page = sign_in(cast.viewer).get("/w/acme/tokens/").content.decode()
    assert re.findall(r'name="scopes" value="(\w+)"', page) == ["view"]
    refused = sign_in(cast.viewer).post("/w/acme/tokens/", {"name": "A script", "days": "30", "scopes": ["develop"]})
    assert refused.status_code == 422


def test_a_token_shows_what_it_may_and_for_which_functions(cast, sign_in) -> None:
    client = sign_in(cast.developer)
    client.post("/w/acme/tokens/", {"name": "A", "days": "30", "scopes": ["run"], "functions": "shout, whisper"})
    assert "only shout, whisper" in client.get("/w/acme/tokens/").content.decode()


def test_the_page_for_agents_has_settings_that_can_be_pasted_and_no_token(cast, sign_in) -> None:
    response = sign_in(cast.viewer).get("/w/acme/connect/")
    settings = json.loads(response.context["settings"])["mcpServers"]["selfsmith-acme"]
    assert settings == {
        "type": "http",
        "url": "http://testserver/mcp",
        "headers": {"Authorization": "Bearer YOUR_TOKEN"},
    }
    assert "sst_" not in response.content.decode()


def test_members_are_listed_with_their_roles(cast, sign_in) -> None:
    page = sign_in(cast.viewer).get("/w/acme/members/").content.decode()
    assert "approver@example.com" in page
    assert "stranger" not in page


def test_the_audit_shows_who_did_what_and_checks_its_chain_when_asked(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        record(actor=cast.admin, action="thing.done", subject=cast.admin)
    seal_records()
    client = sign_in(cast.viewer)
    assert "thing.done" in client.get("/w/acme/audit/").content.decode()
    assert "thing.done" not in client.get("/w/acme/audit/?q=other").content.decode()
    assert "Chain intact, 1 entries" in client.get("/w/acme/audit/?check").content.decode()


def test_the_audit_leads_to_what_is_there_and_only_names_what_was_deleted(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        kept, deleted = (write_document(actor=cast.developer, collection="c", key=key, value=1) for key in ("kept", "deleted"))
        delete_document(actor=cast.developer, document_id=deleted.pk)
    page = sign_in(cast.viewer).get("/w/acme/audit/").content.decode()
    assert f"/store/documents/{kept.pk}/" in page
    assert f"/store/documents/{deleted.pk}/" not in page
    assert page.count("c/deleted") >= 2


def test_an_audit_subject_without_a_usable_id_has_no_link(cast, sign_in) -> None:
    with scope(cast.acme.pk):
        AuditRecord.objects.create(actor_name="x", action="a.b", subject_kind="run", subject_id="no-id", subject_name="Odd")
    assert b"Odd" in sign_in(cast.viewer).get("/w/acme/audit/").content


@pytest.fixture
def staff(cast) -> Membership:
    """A member with the operator's mark; no role in the workspace gives it."""
    cast.viewer.user.is_staff = True
    cast.viewer.user.save()
    return cast.viewer


def test_health_tells_an_operator_what_it_sees_and_what_nobody_reported(staff, sign_in) -> None:
    page = sign_in(staff).get("/w/acme/health/").content.decode()
    assert "PostgreSQL" in page
    assert "No worker answers." in page
    assert "No report yet: no box has run in this workspace." in page


@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_health_tells_members_of_their_workspace_and_whether_the_platform_works(cast, sign_in, monkeypatch, role) -> None:
    monkeypatch.setattr("apps.dashboard.health._ask_workers", lambda: ["celery@machine-7"])
    report(ProcessKind.WORKER, warm_boxes=3, freezes_boxes=False)
    Alert.objects.create(rule="queue", text="Runs of somebody wait for 900 s.")
    page = sign_in(getattr(cast, role)).get("/w/acme/health/").content.decode()
    assert "It works." in page
    assert "Queue of this workspace" in page
    for private in ("PostgreSQL", "Redis", "machine-7", process_name(), "warm", "free", "somebody", "Alerts"):
        assert private not in page, private


def test_health_tells_members_that_the_platform_does_not_work_and_not_why(cast, sign_in, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    page = sign_in(cast.viewer).get("/w/acme/health/").content.decode()
    assert "It does not work at the moment." in page
    assert "127.0.0.1:1" not in page


def test_health_tells_of_warm_boxes_and_of_workers_that_may_not_freeze_them(staff, sign_in) -> None:
    client = sign_in(staff)
    assert "No worker has reported any yet." in client.get("/w/acme/health/").content.decode()
    report(ProcessKind.WORKER, warm_boxes=3)
    page = client.get("/w/acme/health/").content.decode()
    assert "3 warm" in page
    assert "They wait frozen" in page
    report(ProcessKind.WORKER, warm_boxes=1, freezes_boxes=False)
    page = client.get("/w/acme/health/").content.decode()
    assert "which may not freeze boxes" in page
    assert "1 warm" in page


def test_health_says_to_an_operator_when_redis_is_away(staff, sign_in, settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    page = sign_in(staff).get("/w/acme/health/").content.decode()
    assert 'data-state="unreachable"' in page
    assert "pages are slower to change" in page
