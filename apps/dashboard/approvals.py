"""Approvals: the list, the evidence page, voting, withdrawing."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.urls import path

from apps.agents.models import Task
from apps.approvals.eligibility import explain_why_not_vote, nobody_can_decide, rule_of
from apps.approvals.kinds import get_kind
from apps.approvals.models import ApprovalRequest
from apps.approvals.services import REASON_LIMIT, cast_vote, get_request, list_requests, may_withdraw, withdraw_request
from apps.approvals.states import Decision, RequestState
from apps.core.canonical import digest_of
from apps.core.errors import DomainError
from apps.dashboard.access import POST, PageRequest, page
from apps.dashboard.filters import state_filter
from apps.dashboard.packs import shown_functions
from apps.dashboard.paging import paginate
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.functions.capabilities import CAPABILITIES, sources_of
from apps.functions.promotion import PROMOTION
from apps.packages.models import PackageSet
from apps.packs.approval import PACKS
from apps.workspaces.roles import Permission

NOBODY = "Nobody in this workspace can decide on it: give somebody who is no author the role of an approver."


class VoteForm(forms.Form):
    """The digest that the page showed comes back with the vote, so that a vote counts for what was looked at."""

    decision = forms.ChoiceField(choices=[(each.value, each.value) for each in Decision])
    reason = forms.CharField(
        widget=forms.Textarea, required=False, max_length=REASON_LIMIT, help_text="Needed to reject: the agent goes on by it."
    )
    shown_digest = forms.CharField(max_length=64)


@page(Permission.VIEW)
def approvals_list(request: PageRequest) -> HttpResponse:
    state = state_filter(request, RequestState, default=RequestState.OPEN)
    rows = list_requests(actor=request.membership, state=state.chosen)
    context = {"page": paginate(request, rows), "state_filter": state.chosen, "state_choices": state.choices}
    return show(request, "approvals/list.html", context, part="results")


@page(Permission.VIEW)
def approval_detail(request: PageRequest, request_id: UUID) -> HttpResponse:
    asked = get_request(actor=request.membership, request_id=request_id)
    return show(request, "approvals/detail.html", _told(request, asked, VoteForm()))


@page(Permission.VOTE, POST)
def approval_vote(request: PageRequest, request_id: UUID) -> HttpResponse:
    form = VoteForm(request.POST)
    status = UNPROCESSABLE
    if form.is_valid():
        outcome = attempt(request, lambda: cast_vote(actor=request.membership, request_id=request_id, **form.cleaned_data))
        if not isinstance(outcome, DomainError):
            said = (
                "Approved. What waited for it goes on by itself."
                if outcome.decision == Decision.APPROVE
                else "Rejected. The reason was passed on."
            )
            return go(request, "approval-detail", request_id=request_id, say=said)
        status = refuse(form, outcome)
    asked = get_request(actor=request.membership, request_id=request_id)
    return show(request, "approvals/detail.html", _told(request, asked, form), status=status)


@page(Permission.VIEW, POST)
def approval_withdraw(request: PageRequest, request_id: UUID) -> HttpResponse:
    """Who may is no matter of a role alone: the service asks whether it is one's own."""
    withdraw_request(actor=request.membership, request_id=request_id)
    return go(request, "approval-detail", request_id=request_id, say="Withdrawn.")


def _told(request: PageRequest, asked: ApprovalRequest, form: VoteForm) -> dict[str, Any]:
    package_set = PackageSet.objects.filter(request=asked).first()
    why_not = explain_why_not_vote(actor=request.membership, request=asked)
    is_open = asked.state == RequestState.OPEN
    return {
        "approval": asked,
        "kind": get_kind(asked.kind),
        "subject": asked.subject,
        "package_set": package_set,
        "evidence": _shown_evidence(asked, package_set),
        "sources": sources_of(asked.subject) if asked.kind in (CAPABILITIES.name, PROMOTION.name) else (),
        "pack_functions": shown_functions(asked.subject) if asked.kind == PACKS.name else (),
        "task": Task.objects.filter(pk=asked.task_id).first() if asked.task_id else None,
        "votes": sorted(asked.votes.all(), key=lambda vote: vote.at),
        "form": form,
        "may_vote": not why_not,
        "why_not": (NOBODY if nobody_can_decide(asked) else why_not) if is_open else "",
        "may_withdraw": may_withdraw(actor=request.membership, request=asked),
        "policy_text": str(rule_of(asked)),
    }


def _shown_evidence(asked: ApprovalRequest, package_set: PackageSet | None) -> dict[str, Any] | None:
    """Only evidence whose digest is part of what is voted on; anything else would be votes on one thing and looks at another."""
    evidence: dict[str, Any] | None = package_set.evidence if package_set else None
    return evidence if evidence and digest_of(evidence) == asked.subject.get("evidence_digest") else None


urlpatterns = [
    path("approvals/", approvals_list, name="approvals-list"),
    path("approvals/<uuid:request_id>/", approval_detail, name="approval-detail"),
    path("approvals/<uuid:request_id>/vote", approval_vote, name="approval-vote"),
    path("approvals/<uuid:request_id>/withdraw", approval_withdraw, name="approval-withdraw"),
]
