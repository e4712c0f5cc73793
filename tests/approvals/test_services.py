"""Who may decide, on what, and what a decision does."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.approvals.eligibility import count_eligible_voters, explain_why_not_vote, nobody_can_decide
from apps.approvals.kinds import UnknownKind
from apps.approvals.models import ApprovalRequest, Author, Grant, Vote
from apps.approvals.policies import NoRuleMatches, Rule
from apps.approvals.services import (
    NoSuchRequest,
    ReasonInvalid,
    cast_vote,
    count_requests_waiting_for,
    get_request,
    is_granted,
    list_requests,
    may_withdraw,
    requests_waiting_for,
    withdraw_request,
)
from apps.approvals.states import RequestState
from apps.audit.models import AuditRecord
from apps.core import events
from apps.core.canonical import digest_of
from apps.core.errors import DomainError
from apps.core.tenancy import scope
from apps.workspaces.models import Membership

SUBJECT = {"requirements": ["markdown"], "lock_digest": "a" * 64, "size": 1.0}


class Rules:
    """A policy for a test."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules

    def matching_rules(self, kind, subject):
        return self.rules


def decide(actor, request, decision="approve", reason="looked at it", shown_digest=None):
    return cast_vote(
        actor=actor, request_id=request.pk, decision=decision, reason=reason, shown_digest=shown_digest or request.digest
    )


@pytest.fixture
def news(monkeypatch):
    """Every event of requests, as (name, payload)."""
    heard = []
    for name in ("opened", "approved", "rejected", "withdrawn", "expired"):
        handler = lambda name=name, **payload: heard.append((f"request.{name}", payload))  # noqa: E731
        monkeypatch.setitem(events._handlers, f"request.{name}", [handler])
    return heard


def test_an_approval_grants_exactly_the_digest_and_tells_the_kind_and_the_apps_above(cast, in_acme, ask, told, news) -> None:
    request = ask(cast)
    assert request.title == "Packages: markdown"
    assert request.digest == digest_of(SUBJECT)
    assert request.subject == SUBJECT
    assert not is_granted(kind="packages", digest=request.digest)
    decide(cast.approver, request)
    request.refresh_from_db()
    assert request.state == RequestState.APPROVED
    assert request.closed_at is not None
    assert is_granted(kind="packages", digest=request.digest)
    assert not is_granted(kind="packages", digest="b" * 64)
    assert not is_granted(kind="hosts", digest=request.digest)
    assert told == [("approved", str(request.pk))]
    assert [name for name, _ in news] == ["request.opened", "request.approved"]
    assert news[-1][1] == {"request_id": request.pk, "kind": "packages", "digest": request.digest, "reason": "looked at it"}
    actions = list(AuditRecord.objects.order_by("id").values_list("action", flat=True))
    assert actions[-3:] == ["request.opened", "request.voted", "request.approved"]


def test_a_rejection_ends_the_request_with_its_reason_and_grants_nothing(cast, in_acme, ask, told, news) -> None:
    request = ask(cast)
    decide(cast.approver, request, "reject", "The standard library does this.")
    request.refresh_from_db()
    assert (request.state, request.closing_reason) == (RequestState.REJECTED, "The standard library does this.")
    assert not Grant.objects.exists()
    assert told == [("rejected", str(request.pk))]
    assert news[-1][0] == "request.rejected"
    assert news[-1][1]["reason"] == "The standard library does this."


def test_a_rejection_needs_a_reason_and_so_does_a_request(cast, in_acme, ask) -> None:
    request = ask(cast)
    with pytest.raises(ReasonInvalid):
        decide(cast.approver, request, "reject", "  ")
    with pytest.raises(ReasonInvalid):
        ask(cast, reason=" ")
    with pytest.raises(ReasonInvalid):
        decide(cast.approver, request, reason="x" * 4001)


@pytest.mark.parametrize("part", ["asked_by", "prompted_by", "authors"])
def test_an_author_cannot_vote_whatever_their_role(cast, in_acme, ask, part) -> None:
    request = ask(cast, **{part: [cast.admin.user_id] if part == "authors" else cast.admin})
    assert "hand in" in explain_why_not_vote(actor=cast.admin, request=request)
    with pytest.raises(DomainError) as refused:
        decide(cast.admin, request)
    assert refused.value.code == "author_cannot_vote"
    decide(cast.owner, request)


def test_an_author_who_left_and_came_back_is_still_an_author(cast, in_acme, ask) -> None:
    request = ask(cast, prompted_by=cast.approver)
    user = cast.approver.user
    cast.approver.delete()
    returned = Membership.objects.create(user=user, role="owner")
    with pytest.raises(DomainError, match="hand in"):
        decide(returned, request)


@pytest.mark.parametrize("name", ["developer", "operator", "viewer"])
def test_only_roles_that_may_vote_can(cast, in_acme, ask, name) -> None:
    request = ask(cast, asked_by=cast.owner)
    with pytest.raises(DomainError) as refused:
        decide(getattr(cast, name), request)
    assert refused.value.code == "permission_missing"
    assert not Vote.objects.exists()


def test_a_token_cannot_vote_even_for_an_owner(cast, in_acme, ask) -> None:
    request = ask(cast)
    cast.owner.is_token = True
    with pytest.raises(DomainError) as refused:
        decide(cast.owner, request)
    assert refused.value.code == "token_cannot"
    assert "token" in explain_why_not_vote(actor=cast.owner, request=request)
    assert count_requests_waiting_for(cast.owner) == 0


def test_a_role_that_was_taken_meanwhile_does_not_vote(cast, in_acme, ask) -> None:
    request = ask(cast)
    Membership.objects.filter(pk=cast.approver.pk).update(role="viewer")
    with pytest.raises(DomainError) as refused:
        decide(cast.approver, request)  # still an approver by what the page loaded
    assert refused.value.code == "permission_missing"
    Membership.objects.filter(pk=cast.admin.pk).delete()
    with pytest.raises(DomainError) as refused:
        decide(cast.admin, request)
    assert refused.value.code == "no_such_member"


def test_a_vote_for_another_digest_than_the_request_has_is_refused(cast, in_acme, ask) -> None:
    request = ask(cast)
    with pytest.raises(DomainError) as refused:
        decide(cast.approver, request, shown_digest="b" * 64)
    assert refused.value.code == "digest_changed"
    assert not Vote.objects.exists()


def test_nobody_votes_on_or_withdraws_what_has_ended(cast, in_acme, ask) -> None:
    request = ask(cast)
    decide(cast.approver, request)
    for late in (
        lambda: decide(cast.owner, request, "reject"),
        lambda: withdraw_request(actor=cast.developer, request_id=request.pk),
    ):
        with pytest.raises(DomainError, match="was approved") as refused:
            late()
        assert refused.value.code == "request_closed"


def test_who_asked_or_prompted_and_admins_can_withdraw_and_nobody_else(cast, in_acme, ask, told) -> None:
    for actor, allowed in (
        (cast.developer, True),
        (cast.operator, True),
        (cast.admin, True),
        (cast.approver, False),
        (cast.viewer, False),
    ):
        request = ask(cast, prompted_by=cast.operator)
        assert may_withdraw(actor=actor, request=request) is allowed
        if allowed:
            withdraw_request(actor=actor, request_id=request.pk)
            assert told[-1] == ("withdrawn", str(request.pk))
            assert not may_withdraw(actor=actor, request=ApprovalRequest.objects.get(pk=request.pk))
        else:
            with pytest.raises(DomainError) as refused:
                withdraw_request(actor=actor, request_id=request.pk)
            assert refused.value.code == "withdrawal_forbidden"


def test_a_stranger_finds_nothing_to_decide(cast, ask) -> None:
    with scope(cast.acme.pk):
        request = ask(cast)
    with scope(cast.globex.pk):
        assert count_requests_waiting_for(cast.stranger) == 0
        assert not list_requests(actor=cast.stranger)
        for use in (
            lambda: decide(cast.stranger, request),
            lambda: withdraw_request(actor=cast.stranger, request_id=request.pk),
            lambda: get_request(actor=cast.stranger, request_id=request.pk),
        ):
            with pytest.raises(NoSuchRequest):
                use()
        assert not is_granted(kind="packages", digest=request.digest)


def test_a_grant_in_one_workspace_is_none_in_another(cast, ask) -> None:
    with scope(cast.acme.pk):
        request = ask(cast)
        decide(cast.approver, request)
    with scope(cast.globex.pk):
        assert not is_granted(kind="packages", digest=request.digest)


def test_two_must_agree_where_a_rule_says_so_and_one_may_vote_once(cast, in_acme, ask, with_policy) -> None:
    with_policy(Rules(Rule("one", quorum=1), Rule("two", quorum=2)))
    request = ask(cast)
    decide(cast.approver, request)
    request.refresh_from_db()
    assert request.state == RequestState.OPEN
    assert "voted" in explain_why_not_vote(actor=cast.approver, request=request)
    with pytest.raises(DomainError) as refused:
        decide(cast.approver, request)
    assert refused.value.code == "already_voted"
    decide(cast.owner, request)
    request.refresh_from_db()
    assert request.state == RequestState.APPROVED


def test_a_rejection_beats_the_approvals_before_it(cast, in_acme, ask, with_policy) -> None:
    with_policy(Rules(Rule("three", quorum=3)))
    request = ask(cast)
    decide(cast.approver, request)
    decide(cast.owner, request)
    decide(cast.admin, request, "reject", "no")
    request.refresh_from_db()
    assert request.state == RequestState.REJECTED


def test_the_vote_of_somebody_who_lost_the_right_does_not_count_any_more(cast, in_acme, ask, with_policy) -> None:
    with_policy(Rules(Rule("two", quorum=2)))
    request = ask(cast)
    decide(cast.approver, request)
    Membership.objects.filter(pk=cast.approver.pk).update(role="viewer")
    decide(cast.owner, request)
    request.refresh_from_db()
    assert request.state == RequestState.OPEN
    decide(cast.admin, request)
    request.refresh_from_db()
    assert request.state == RequestState.APPROVED


def test_a_rule_that_became_stricter_binds_open_requests_and_a_laxer_one_does_not(cast, in_acme, ask, with_policy) -> None:
    lax = ask(cast)
    with_policy(Rules(Rule("two", quorum=2)))
    strict = ask(cast)
    decide(cast.approver, lax)
    with_policy(Rules(Rule("one", quorum=1)))
    decide(cast.approver, strict)
    for request in (lax, strict):
        request.refresh_from_db()
        assert request.state == RequestState.OPEN


def test_without_a_matching_rule_or_kind_nothing_can_be_asked(cast, in_acme, ask, with_policy) -> None:
    with pytest.raises(UnknownKind):
        ask(cast, kind="teleport")
    with_policy(Rules())
    with pytest.raises(NoRuleMatches):
        ask(cast)


def test_a_request_that_nobody_can_decide_is_opened_and_says_so(cast, in_acme, ask) -> None:
    request = ask(cast, authors=[cast.owner.user_id, cast.admin.user_id])
    assert count_eligible_voters(request) == 1
    assert not nobody_can_decide(request)
    Membership.objects.filter(pk=cast.approver.pk).update(role="developer")
    assert nobody_can_decide(request)
    Membership.objects.filter(pk=cast.viewer.pk).update(role="approver")
    decide(cast.viewer, request)
    request.refresh_from_db()
    assert request.state == RequestState.APPROVED
    assert not nobody_can_decide(request)


def test_whoever_can_decide_sees_it_waiting_until_they_did(cast, in_acme, ask, django_assert_num_queries) -> None:
    own = ask(cast, asked_by=cast.owner)
    other = ask(cast)
    with django_assert_num_queries(1):
        assert count_requests_waiting_for(cast.owner) == 1
    with django_assert_num_queries(0):
        assert count_requests_waiting_for(cast.developer) == 0
    assert [row.pk for row in requests_waiting_for(cast.owner)] == [other.pk]
    assert [row.pk for row in requests_waiting_for(cast.approver)] == [other.pk, own.pk]
    decide(cast.approver, other)
    assert count_requests_waiting_for(cast.owner) == 0


def test_the_list_tells_who_asked_and_who_may_vote_without_a_query_a_row(cast, in_acme, ask, django_assert_num_queries) -> None:
    for number in range(5):
        ask(cast, prompted_by=cast.operator, subject={**SUBJECT, "number": number})
    decide(cast.approver, ask(cast))
    with django_assert_num_queries(3):
        rows = list(list_requests(actor=cast.approver))
        assert {row.asked_by.user.username for row in rows} == {"developer"}
        assert rows[-1].prompted_by.user.username == "operator"
    assert [row.may_vote for row in rows] == [False, *[True] * 5]
    assert [row.votes_count for row in rows] == [1, *[0] * 5]
    assert len(list_requests(actor=cast.viewer, state="open")) == 5
    assert not any(row.may_vote for row in list_requests(actor=cast.developer))


def test_what_was_asked_and_decided_cannot_be_changed_in_the_database(cast, in_acme, ask) -> None:
    request = ask(cast)
    vote = decide(cast.approver, request)
    other = ask(cast)
    changes = (
        lambda: ApprovalRequest.objects.filter(pk=other.pk).update(subject_json="{}"),
        lambda: ApprovalRequest.objects.filter(pk=other.pk).update(digest="b" * 64),
        lambda: ApprovalRequest.objects.filter(pk=other.pk).update(expires_at=other.expires_at + timedelta(days=1)),
        lambda: ApprovalRequest.objects.filter(pk=request.pk).update(state="open"),
        lambda: Vote.objects.filter(pk=vote.pk).update(decision="reject"),
        lambda: Author.objects.update(part="wrote"),
        lambda: Grant.objects.update(digest="b" * 64),
        lambda: Vote.objects.create(request=request, user=cast.approver.user, decision="approve", shown_digest="x"),
        lambda: Grant.objects.create(request=request, kind="packages", digest="x"),
    )
    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_members_who_asked_and_voted_can_still_leave(cast, in_acme, ask) -> None:
    request = ask(cast)
    decide(cast.approver, request)
    cast.developer.delete()
    cast.approver.delete()
    assert get_request(actor=cast.owner, request_id=request.pk).asked_by.user.username == "developer"


def test_what_a_kind_raises_undoes_the_decision(cast, in_acme, ask, told, monkeypatch) -> None:
    request = ask(cast)
    monkeypatch.setattr("apps.approvals.transitions.emit", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        decide(cast.approver, request)
    assert not Vote.objects.exists()
    assert not Grant.objects.exists()
