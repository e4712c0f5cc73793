"""Looking at a request and deciding on it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from apps.approvals.models import ApprovalRequest, Vote
from apps.core.tenancy import scope
from apps.packages.models import PackageSet


@pytest.fixture
def vote(cast: SimpleNamespace, things: SimpleNamespace, sign_in: Callable[..., Client]) -> Callable[..., Any]:
    def send(member: str = "approver", **changes: str) -> Any:
        data = {"decision": "approve", "reason": "", "shown_digest": things.request.digest, **changes}
        return sign_in(getattr(cast, member)).post(f"/w/acme/approvals/{things.request.pk}/vote", data)

    return send


def state_of(cast: SimpleNamespace, things: SimpleNamespace) -> tuple[str, int]:
    with scope(cast.acme.pk):
        return ApprovalRequest.objects.get(pk=things.request.pk).state, Vote.objects.count()


def test_an_approval_ends_the_request(cast, things, vote) -> None:
    assert vote().status_code == 302
    assert state_of(cast, things) == ("approved", 1)


def test_a_rejection_needs_a_reason(cast, things, vote) -> None:
    refused = vote(decision="reject")
    assert (refused.status_code, b"Say why" in refused.content) == (422, True)
    assert state_of(cast, things) == ("open", 0)
    assert vote(decision="reject", reason="Too young.").status_code == 302
    assert state_of(cast, things) == ("rejected", 1)


def test_a_vote_on_something_else_than_was_shown_does_not_count(cast, things, vote) -> None:
    stale = vote(shown_digest="b" * 64)
    assert (stale.status_code, b"not what you were shown" in stale.content) == (409, True)
    assert state_of(cast, things) == ("open", 0)


def test_whoever_asked_cannot_vote_and_reads_why(cast, things, vote, sign_in) -> None:
    with scope(cast.acme.pk):
        type(cast.developer).objects.filter(pk=cast.developer.pk).update(role="admin")
    page = sign_in(cast.developer).get(f"/w/acme/approvals/{things.request.pk}/").content.decode()
    assert "You had a hand in this request" in page
    assert 'value="approve"' not in page
    assert vote("developer").status_code == 403
    assert state_of(cast, things) == ("open", 0)


def test_the_header_counts_what_waits_for_this_member(cast, things, sign_in) -> None:
    assert 'title="1 waiting for you"' in sign_in(cast.approver).get("/w/acme/").content.decode()
    assert 'title="1 waiting for you"' not in sign_in(cast.developer).get("/w/acme/").content.decode()


def test_evidence_that_is_not_what_is_voted_on_is_not_shown(cast, things, sign_in) -> None:
    url, approver = f"/w/acme/approvals/{things.request.pk}/", sign_in(cast.approver)
    assert "What would come in" in approver.get(url).content.decode()
    with scope(cast.acme.pk):
        package_set = PackageSet.objects.get(pk=things.package_set.pk)
        package_set.evidence["warning_count"] = 7
        package_set.save(update_fields=["evidence"])
    page = approver.get(url).content.decode()
    assert "What would come in" not in page
    assert "There is no evidence for this request" in page


def test_the_list_shows_open_requests_first_and_the_others_when_asked(cast, things, vote, sign_in) -> None:
    client = sign_in(cast.viewer)
    assert "Packages: markdown" in client.get("/w/acme/approvals/").content.decode()
    vote()
    assert "Packages: markdown" not in client.get("/w/acme/approvals/").content.decode()
    assert "Packages: markdown" in client.get("/w/acme/approvals/?state=approved").content.decode()


def test_nobody_left_to_decide_is_said(cast, things, sign_in) -> None:
    with scope(cast.acme.pk):
        type(cast.owner).objects.filter(role__in=["approver", "admin", "owner"]).update(role="viewer")
    page = sign_in(cast.developer).get(f"/w/acme/approvals/{things.request.pk}/").content.decode()
    assert "Nobody in this workspace can decide on it" in page
