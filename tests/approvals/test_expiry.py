"""Time ends what nobody decided, by the database's clock."""

from datetime import timedelta

import pytest

from apps.approvals.expiry import expire_requests
from apps.approvals.models import ApprovalRequest
from apps.approvals.policies import Rule
from apps.approvals.services import cast_vote, count_requests_waiting_for, withdraw_request
from apps.approvals.transitions import RequestClosed
from apps.core.dispatch import registered_work
from apps.core.tenancy import scope


class OverAtOnce:
    """A policy whose requests have expired when the next statement runs."""

    def matching_rules(self, kind, subject):
        return [Rule("short", quorum=1, lifetime=timedelta(microseconds=1))]


def test_requests_last_72_hours(cast, in_acme, ask) -> None:
    request = ask(cast)
    assert timedelta(hours=71, minutes=59) < request.expires_at - request.created_at <= timedelta(hours=72)


def test_an_expired_request_cannot_be_decided_before_the_sweep_nor_after(cast, ask, told, with_policy) -> None:
    with_policy(OverAtOnce())
    with scope(cast.acme.pk):
        request = ask(cast)
        vote = {
            "actor": cast.approver,
            "request_id": request.pk,
            "decision": "approve",
            "reason": "",
            "shown_digest": request.digest,
        }
        assert count_requests_waiting_for(cast.approver) == 0
        with pytest.raises(RequestClosed, match="expired"):
            cast_vote(**vote)
        with pytest.raises(RequestClosed, match="expired"):
            withdraw_request(actor=cast.developer, request_id=request.pk)
    assert expire_requests() == 1
    assert expire_requests() == 0
    assert told == [("expired", str(request.pk))]
    with scope(cast.acme.pk):
        assert ApprovalRequest.objects.get(pk=request.pk).state == "expired"
        with pytest.raises(RequestClosed, match="expired"):
            cast_vote(**vote)


def test_the_sweep_leaves_open_requests_and_reaches_every_workspace(cast, ask, with_policy) -> None:
    with scope(cast.acme.pk):
        kept = ask(cast)
    with_policy(OverAtOnce())
    with scope(cast.acme.pk):
        ask(cast)
    with scope(cast.globex.pk):
        ask(cast, asked_by=cast.stranger)
    assert expire_requests() == 2
    with scope(cast.acme.pk):
        assert list(ApprovalRequest.objects.filter(state="open")) == [kept]


def test_the_scheduler_sweeps_requests() -> None:
    assert [work.sweep for work in registered_work() if work.kind == "approvals.expire"] == [expire_requests]
