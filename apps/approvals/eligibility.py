"""Who may vote on a request, whether enough such people exist, and why somebody may not."""

from apps.approvals import transitions
from apps.approvals.models import VOTING_ROLES, ApprovalRequest, Author
from apps.approvals.policies import Rule, strictest_rule
from apps.approvals.states import RequestState
from apps.core.errors import Conflict, DomainError, Forbidden
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import require, require_person


class AuthorCannotVote(Forbidden):
    code = "author_cannot_vote"


class AlreadyVoted(Conflict):
    code = "already_voted"


def find_refusal(voter: Membership, request: ApprovalRequest) -> DomainError | None:
    """What stands against this person's vote, the request's own state first."""
    still_open = ApprovalRequest.objects.all().open().filter(pk=request.pk).exists()
    if not still_open:
        return transitions.closed_error(request)
    try:
        require(voter, Permission.VOTE)
    except DomainError as refusal:
        return refusal
    if request.authors.filter(user=voter.user_id).exists():
        return AuthorCannotVote("You had a hand in this request, so somebody else has to decide on it.")
    if request.votes.filter(user=voter.user_id).exists():
        return AlreadyVoted("You have voted on this already; a vote is not changed.")
    return None


def explain_why_not_vote(*, actor: Membership, request: ApprovalRequest) -> str:
    """Why the actor cannot vote on it, in a sentence for the page; empty when they can."""
    try:
        require_person(actor)
    except DomainError as refusal:
        return refusal.message
    found = find_refusal(actor, request)
    return found.message if found else ""


def rule_of(request: ApprovalRequest) -> Rule:
    """The rule in force for a request: its own, or today's when that has become stricter.

    Raises:
        policies.NoRuleMatches
    """
    today = strictest_rule(request.kind, request.subject)
    return today if today.quorum > request.quorum else Rule(request.policy, request.quorum)


def count_eligible_voters(request: ApprovalRequest) -> int:
    """Members who hold the right to vote and are no authors; below the quorum, nobody can approve it as things stand."""
    authors = Author.objects.filter(request=request).values("user")
    return Membership.objects.filter(role__in=VOTING_ROLES).exclude(user__in=authors).count()


def nobody_can_decide(request: ApprovalRequest) -> bool:
    """Whether an open request waits for people whom the workspace does not have: the page says so."""
    return request.state == RequestState.OPEN and count_eligible_voters(request) < rule_of(request).quorum
