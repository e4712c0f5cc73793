"""Hosts and secrets come in by people's vote, for sources that they have seen."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import IntegrityError, connection
from django.db.models import ProtectedError

from apps.approvals.eligibility import AuthorCannotVote
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import cast_vote, requests_waiting_for, withdraw_request
from apps.functions.authors import AuthorUnknown
from apps.functions.capabilities import (
    NotGranted,
    UnknownSecret,
    check_granted,
    ensure_capabilities,
    find_grant,
    sources_of,
    standing_of,
    wish_of,
)
from apps.functions.closure import resolve_closure
from apps.functions.definition import InvalidGrant, Provenance, Settings
from apps.functions.models import CapabilityRequest, Function, FunctionVersion, Origin
from apps.vault.services import delete_secret, set_secret
from apps.workspaces.models import Membership

FETCH = "def fetch(path: str) -> str:\n    return path\n"
BY_AGENT = Provenance(origin=Origin.AGENT, prompt="do it", model="scripted")


def host(*names: str) -> Settings:
    return Settings(hosts=names)


@pytest.fixture
def key(in_acme, admin):
    return set_secret(actor=admin, name="API_KEY", value="correct-horse")


@pytest.fixture
def vote(approver):
    """The one open request is decided."""

    def decide(decision: str = "approve", reason: str = "Looked at.") -> ApprovalRequest:
        request = ApprovalRequest.objects.get(state="open")
        cast_vote(actor=approver, request_id=request.pk, decision=decision, reason=reason, shown_digest=request.digest)
        request.refresh_from_db()
        return request

    return decide


def closure_of(version: FunctionVersion) -> list[FunctionVersion]:
    return resolve_closure(FunctionVersion.objects.select_related("function").get(pk=version.pk))


def granted(version: FunctionVersion) -> CapabilityRequest | None:
    return find_grant(wish_of(closure_of(version)))


def test_what_asks_for_nothing_needs_nobody(make) -> None:
    version = make(FETCH).active_version
    assert not wish_of(closure_of(version))
    assert CapabilityRequest.objects.count() == 0


def test_saving_a_function_with_hosts_and_secrets_asks_people_for_them(make, key, developer) -> None:
    version = make(FETCH, settings=Settings(hosts=("b.example.org:8443", "a.example.org"), secrets=("API_KEY",))).active_version
    request = ApprovalRequest.objects.get()
    assert (request.kind, request.title) == ("capabilities", "fetch version 1: a.example.org, b.example.org:8443, API_KEY")
    assert request.asked_by.user == developer.user
    assert request.subject["secrets"] == [{"id": str(key.pk), "name": "API_KEY"}]
    assert request.subject["parts"][0]["digest"] == version.digest
    assert request.subject["widens"] == {"hosts": ["a.example.org", "b.example.org:8443"], "secrets": ["API_KEY"]}
    assert granted(version) is None
    with pytest.raises(NotGranted):
        check_granted(CapabilityRequest.objects.get(), closure_of(version))


def test_a_vote_grants_exactly_what_was_shown(make, vote, key) -> None:
    version = make(FETCH, settings=Settings(hosts=("a.example.org",), secrets=("API_KEY",))).active_version
    vote()
    wish = check_granted(granted(version), closure_of(version))
    assert (wish.hosts, wish.secrets) == (("a.example.org",), {"API_KEY": key.pk})


def test_who_wrote_it_has_no_vote(make, owner) -> None:
    make(FETCH, actor=owner, settings=host("a.example.org"))
    request = ApprovalRequest.objects.get()
    with pytest.raises(AuthorCannotVote):
        cast_vote(actor=owner, request_id=request.pk, decision="approve", reason="", shown_digest=request.digest)


def test_who_wrote_a_part_of_it_has_no_vote_either(make, cast, vote) -> None:
    make("def get(path: str) -> str:\n    return path\n", actor=cast.admin, settings=host("a.example.org"))
    vote()
    make("def both(path: str) -> str:\n    return get(path)\n")
    request = ApprovalRequest.objects.get(state="open")
    with pytest.raises(AuthorCannotVote):
        cast_vote(actor=cast.admin, request_id=request.pk, decision="approve", reason="", shown_digest=request.digest)


@pytest.mark.parametrize("role", ["approver", "owner"])
def test_who_wrote_it_and_left_has_no_vote_after_coming_back(make, cast, role) -> None:
    version = make(FETCH, actor=cast.admin, settings=host("a.example.org")).active_version
    withdraw_request(actor=cast.admin, request_id=ApprovalRequest.objects.get().pk)
    user = cast.admin.user
    cast.admin.delete()
    ensure_capabilities(actor=cast.developer, closure=closure_of(version), reason="to run it")
    returned = Membership.objects.create(user=user, role=role)
    request = ApprovalRequest.objects.get(state="open")
    assert request not in requests_waiting_for(returned)
    with pytest.raises(AuthorCannotVote):
        cast_vote(actor=returned, request_id=request.pk, decision="approve", reason="", shown_digest=request.digest)


def test_an_account_that_wrote_a_version_is_not_deleted(make, developer) -> None:
    make(FETCH)
    with pytest.raises(ProtectedError):
        developer.user.delete()


def test_what_nobody_is_known_to_have_written_is_not_asked_for_until_it_is_saved_anew(make, save, cast) -> None:
    function = make(FETCH)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE functions_functionversion DISABLE TRIGGER USER")
        cursor.execute("UPDATE functions_functionversion SET author_id = NULL")
        cursor.execute("ALTER TABLE functions_functionversion ENABLE TRIGGER USER")
    with pytest.raises(AuthorUnknown, match="save it anew"):
        make("def both(path: str) -> str:\n    return fetch(path)\n", settings=host("a.example.org"))
    assert save(function, FETCH).author == cast.developer.user
    make("def both(path: str) -> str:\n    return fetch(path)\n", settings=host("a.example.org"))
    assert ApprovalRequest.objects.get(state="open").authors.filter(user=cast.developer.user_id, part="wrote").exists()


def test_a_function_that_calls_a_granted_one_asks_for_itself(make, vote, key) -> None:
    """Both run in one process, so the caller's source could read what the called one was granted."""
    make("def get(path: str) -> str:\n    return path\n", settings=Settings(secrets=("API_KEY",)))
    vote()
    caller = make("def both(path: str) -> str:\n    return get(path)\n").active_version
    assert granted(caller) is None
    request = ApprovalRequest.objects.get(state="open")
    assert [part["name"] for part in request.subject["parts"]] == ["get", "both"]
    assert request.subject["secrets"][0]["name"] == "API_KEY"


def test_a_person_s_edit_needs_no_vote_unless_it_widens(make, save, vote, key) -> None:
    function = make(FETCH, settings=host("a.example.org", "b.example.org"))
    vote()
    same = save(function, FETCH + "# clearer\n", settings=host("a.example.org", "b.example.org"))
    narrower = save(function, FETCH + "# less\n", settings=host("a.example.org"))
    assert granted(same)
    assert granted(narrower)
    assert ApprovalRequest.objects.filter(state="open").count() == 0
    wider = save(function, FETCH, settings=host("a.example.org", "c.example.org"))
    assert granted(wider) is None
    assert ApprovalRequest.objects.get(state="open").subject["widens"] == {"hosts": ["c.example.org"], "secrets": []}


def test_another_port_widens(make, save, vote) -> None:
    function = make(FETCH, settings=host("a.example.org"))
    vote()
    assert granted(save(function, FETCH, settings=host("a.example.org:80"))) is None
    assert granted(save(function, FETCH + "#", settings=host("a.example.org:443")))


def test_every_other_source_of_an_agent_needs_a_vote(make, save, vote, developer) -> None:
    function = make(FETCH, settings=host("a.example.org"), provenance=BY_AGENT)
    assert ApprovalRequest.objects.count() == 0  # asked for when it is to run
    ensure_capabilities(actor=developer, closure=closure_of(function.active_version), reason="to run it")
    vote()
    assert granted(function.active_version)
    changed = save(function, FETCH + "# mended\n", settings=host("a.example.org"), provenance=BY_AGENT)
    assert granted(changed) is None


def test_what_a_token_saves_inherits_no_grant_and_its_owner_has_no_vote(make, save, vote, cast) -> None:
    function = make(FETCH, settings=host("a.example.org"))
    vote()
    with_token = Membership.objects.select_related("user").get(pk=cast.admin.pk)
    with_token.is_token = True
    saved = save(function, FETCH + "# by a program\n", actor=with_token, settings=host("a.example.org"))
    assert saved.origin == Origin.TOKEN
    assert granted(saved) is None
    request = ApprovalRequest.objects.get(state="open")
    assert request.subject["parts"][0]["origin"] == Origin.TOKEN
    with pytest.raises(AuthorCannotVote):
        cast_vote(actor=cast.admin, request_id=request.pk, decision="approve", reason="", shown_digest=request.digest)
    vote()
    assert granted(saved)


def test_a_token_s_change_of_a_part_needs_a_vote(make, save, vote, cast) -> None:
    part = make("def get(path: str) -> str:\n    return path\n")
    caller = make("def both(path: str) -> str:\n    return get(path)\n", settings=host("a.example.org")).active_version
    vote()
    cast.developer.is_token = True
    save(part, "def get(path: str) -> str:\n    return path * 2\n", actor=cast.developer)
    assert granted(caller) is None


def test_an_agent_s_version_stays_an_agent_s_when_a_token_started_its_task(make, cast) -> None:
    cast.developer.is_token = True
    assert make(FETCH, actor=cast.developer, provenance=BY_AGENT).active_version.origin == Origin.AGENT


def test_versions_of_before_learn_from_the_audit_trail_that_a_token_saved_them(make, save, cast) -> None:
    by_hand = make(FETCH)
    cast.developer.is_token = True
    by_token = save(by_hand, FETCH + "#", actor=cast.developer)
    migration = import_module("apps.functions.migrations.0007_written_by_token")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE functions_functionversion DISABLE TRIGGER USER")
        cursor.execute("UPDATE functions_functionversion SET origin = 'person'")
    migration.take_from_the_audit_trail(apps, SimpleNamespace(connection=connection))
    assert [version.origin for version in by_hand.versions.order_by("number")] == [Origin.PERSON, Origin.TOKEN]
    with pytest.raises(IntegrityError, match="never changes"):
        FunctionVersion.objects.filter(pk=by_token.pk).update(origin=Origin.PERSON)


def test_an_agent_s_change_of_a_part_needs_a_vote(make, save, vote) -> None:
    part = make("def get(path: str) -> str:\n    return path\n")
    caller = make("def both(path: str) -> str:\n    return get(path)\n", settings=host("a.example.org")).active_version
    vote()
    assert granted(caller)
    save(part, "def get(path: str) -> str:\n    return path * 2\n", provenance=BY_AGENT)
    assert granted(caller) is None


def test_equal_wishes_share_one_request(make, developer, admin) -> None:
    version = make(FETCH, settings=host("a.example.org")).active_version
    first = ensure_capabilities(actor=developer, closure=closure_of(version), reason="once")
    again = ensure_capabilities(actor=admin, closure=closure_of(version), reason="twice")
    assert first == again == CapabilityRequest.objects.get()


def test_what_was_rejected_is_asked_anew(make, developer, vote) -> None:
    version = make(FETCH, settings=host("a.example.org")).active_version
    refused = vote("reject", "Not that host.")
    assert standing_of(closure_of(version)).request == refused
    again = ensure_capabilities(actor=developer, closure=closure_of(version), reason="please")
    assert again.request_id != refused.pk
    assert standing_of(closure_of(version)) == again


def test_a_secret_of_the_same_name_made_since_is_another(make, vote, key, admin) -> None:
    version = make(FETCH, settings=Settings(secrets=("API_KEY",))).active_version
    vote()
    capabilities = granted(version)
    delete_secret(actor=admin, secret_id=key.pk)
    with pytest.raises(UnknownSecret):
        check_granted(capabilities, closure_of(version))
    set_secret(actor=admin, name="API_KEY", value="another-horse")
    with pytest.raises(NotGranted):
        check_granted(capabilities, closure_of(version))


def test_a_secret_that_is_not_there_or_belongs_to_models_cannot_be_named(make, admin, in_acme) -> None:
    set_secret(actor=admin, name="MODEL_KEY", value="correct-horse", purpose="model")
    for name in ("NOWHERE", "MODEL_KEY"):
        with pytest.raises(UnknownSecret, match=name):
            make(FETCH, settings=Settings(secrets=(name,)))
    assert Function.objects.count() == 0


def test_the_page_shows_only_sources_that_are_what_was_frozen(make, vote) -> None:
    make(FETCH, settings=host("a.example.org"))
    subject = ApprovalRequest.objects.get().subject
    assert [version.source for version in sources_of(subject)] == [FETCH]
    subject["parts"][0]["digest"] = "0" * 64
    assert sources_of(subject) == []


@pytest.mark.parametrize("name", ["127.0.0.1", "[::1]", "Example.org", "*.example.org", "example.org:22", "user@example.org"])
def test_what_is_no_host_cannot_be_asked_for(make, name) -> None:
    with pytest.raises(InvalidGrant, match="“"):
        make(FETCH, settings=host(name))
