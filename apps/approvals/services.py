"""Ask, vote, withdraw, and look up what was asked and granted."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from apps.approvals import transitions
from apps.approvals.eligibility import count_eligible_voters, find_refusal, rule_of
from apps.approvals.kinds import get_kind
from apps.approvals.models import VOTING_ROLES, ApprovalRequest, ApprovalRequestQuerySet, Author, Grant, Vote
from apps.approvals.policies import strictest_rule
from apps.approvals.states import Decision, Part, RequestState
from apps.audit.services import record
from apps.core.canonical import canonical_json, digest_of
from apps.core.errors import Conflict, Forbidden, Invalid, NotFound
from apps.core.events import emit
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import NoSuchMember, require, require_person

REASON_LIMIT = 4000  # characters: a person's explanation, not a document


class NoSuchRequest(NotFound):
    code = "no_such_request"


class ReasonInvalid(Invalid):
    code = "reason_invalid"


class DigestChanged(Conflict):
    code = "digest_changed"


class WithdrawalForbidden(Forbidden):
    code = "withdrawal_forbidden"


def open_request(
    *,
    kind: str,
    subject: dict[str, Any],
    asked_by: Membership,
    prompted_by: Membership | None,
    authors: Iterable[UUID],
    reason: str,
    task_id: UUID | None = None,
) -> ApprovalRequest:
    """Freeze `subject` (plain JSON) and ask people to decide on it.

    `authors` are the accounts besides the asker's and the prompter's that had a hand in it, members or not any more: none of
    them can vote.

    Raises:
        PermissionMissing, kinds.UnknownKind, policies.NoRuleMatches, ReasonInvalid
        TypeError, ValueError: the subject is no plain JSON.
    """
    require(asked_by, Permission.PROPOSE)
    rule = strictest_rule(kind, subject)
    request = ApprovalRequest.objects.create(
        kind=kind,
        title=get_kind(kind).headline_of(subject)[:200],
        subject_json=canonical_json(subject),
        digest=digest_of(subject),
        reason=_checked_reason(reason, needed_for="ask for this"),
        task_id=task_id,
        policy=rule.name,
        quorum=rule.quorum,
        expires_at=Now() + rule.lifetime,
    )
    _write_authors(request, asked_by, prompted_by, authors)
    request.refresh_from_db()  # the times are the database's
    eligible = count_eligible_voters(request)
    record(actor=asked_by, action="request.opened", subject=request, kind=kind, digest=request.digest, eligible_voters=eligible)
    emit("request.opened", request_id=request.pk, kind=kind, digest=request.digest)
    transitions.announce(request)
    return request


def cast_vote(*, actor: Membership, request_id: UUID, decision: str, reason: str, shown_digest: str) -> Vote:
    """Decide on the digest that the page showed. One rejection ends a request; approvals do at its quorum.

    Raises:
        TokenCannot, PermissionMissing, NoSuchMember, NoSuchRequest, RequestClosed, DigestChanged, AuthorCannotVote,
        AlreadyVoted, ReasonInvalid
    """
    require_person(actor)
    choice = Decision(decision)
    request = _locked(request_id)
    voter = _current_membership(actor)
    if refusal := find_refusal(voter, request):
        raise refusal
    if shown_digest != request.digest or not request.is_intact:
        raise DigestChanged("This is not what you were shown: open the request again and look before you decide.")
    written = _checked_reason(reason, needed_for="reject this" if choice == Decision.REJECT else "")
    vote = Vote.objects.create(
        request=request,
        user=voter.user,
        role=voter.role,
        decision=choice,
        reason=written,
        shown_digest=shown_digest,
    )
    record(actor=actor, action="request.voted", subject=request, decision=choice, digest=shown_digest)
    _tally(request, vote, actor)
    return vote


def withdraw_request(*, actor: Membership, request_id: UUID) -> None:
    """Take a request back: for whoever asked or prompted it, and for admins.

    Raises:
        PermissionMissing, NoSuchRequest, WithdrawalForbidden, RequestClosed
    """
    require(actor, Permission.VIEW)
    request = _locked(request_id)
    if not _is_own(actor, request) and not actor.can(Permission.ADMINISTER):
        raise WithdrawalForbidden("Only who asked for it, or an admin, can withdraw a request.")
    transitions.close(request, to_state=RequestState.WITHDRAWN, actor=actor, reason=f"Withdrawn by {actor}.")


def get_request(*, actor: Membership, request_id: UUID) -> ApprovalRequest:
    """One request of this workspace, with its authors.

    Raises:
        PermissionMissing, NoSuchRequest
    """
    require(actor, Permission.VIEW)
    request = ApprovalRequest.objects.prefetch_related("authors__user", "votes__user").filter(pk=request_id).first()
    if request is None:
        raise NoSuchRequest("There is no such request here.")
    return request


def list_requests(*, actor: Membership, state: str = "") -> ApprovalRequestQuerySet:
    """The workspace's requests, newest first, each with `may_vote` and `votes_count`; `state` filters when given. Slice it.

    Raises:
        PermissionMissing
    """
    require(actor, Permission.VIEW)
    rows = ApprovalRequest.objects.all().for_list(actor)
    return rows.filter(state=state) if state else rows


def requests_waiting_for(actor: Membership) -> ApprovalRequestQuerySet:
    """Open requests on which the actor can vote, newest first. For a count alone: `count_requests_waiting_for`."""
    return ApprovalRequest.objects.all().votable_by(actor).for_list(actor)


def count_requests_waiting_for(actor: Membership) -> int:
    """How many wait for the actor's vote: one query, and none for those who cannot vote."""
    return ApprovalRequest.objects.all().votable_by(actor).count()


def may_withdraw(*, actor: Membership, request: ApprovalRequest) -> bool:
    return request.state == RequestState.OPEN and (_is_own(actor, request) or actor.can(Permission.ADMINISTER))


def is_granted(*, kind: str, digest: str) -> bool:
    """Whether people approved exactly this here. Ask again at every use: the digest is what was approved, not a name."""
    return Grant.objects.filter(kind=kind, digest=digest).exists()


def _locked(request_id: UUID) -> ApprovalRequest:
    request = ApprovalRequest.objects.select_for_update(of=("self",), no_key=True).filter(pk=request_id).first()
    if request is None:
        raise NoSuchRequest("There is no such request here.")
    return request


def _current_membership(actor: Membership) -> Membership:
    """The membership as it is now: a role may have been taken while this vote waited for the lock."""
    member = Membership.objects.select_related("user").filter(pk=actor.pk).first()
    if member is None:
        raise NoSuchMember("You are no member of this workspace any more.")
    return member


def _tally(request: ApprovalRequest, vote: Vote, actor: Membership) -> None:
    """End the request when this vote decides it. Votes of people who may not vote any more do not count."""
    if vote.decision == Decision.REJECT:
        transitions.close(request, to_state=RequestState.REJECTED, actor=actor, reason=vote.reason)
        return
    entitled = Membership.objects.filter(role__in=VOTING_ROLES).values("user")
    approvals = Vote.objects.filter(request=request, decision=Decision.APPROVE, user__in=entitled).count()
    if approvals >= rule_of(request).quorum:
        transitions.close(request, to_state=RequestState.APPROVED, actor=actor, reason=vote.reason)
    else:
        transitions.announce(request)


def _write_authors(
    request: ApprovalRequest, asked_by: Membership, prompted_by: Membership | None, authors: Iterable[UUID]
) -> None:
    signed = {(asked_by.user_id, Part.ASKED)}
    if prompted_by:
        signed.add((prompted_by.user_id, Part.PROMPTED))
    signed |= {(user_id, Part.WROTE) for user_id in authors}
    roles = dict(Membership.objects.filter(user__in={user_id for user_id, _ in signed}).values_list("user", "role"))
    Author.objects.bulk_create(
        Author(request=request, user_id=user_id, role=roles.get(user_id, ""), part=part) for user_id, part in sorted(signed)
    )


def _is_own(actor: Membership, request: ApprovalRequest) -> bool:
    return request.authors.filter(user=actor.user_id, part__in=[Part.ASKED, Part.PROMPTED]).exists()


def _checked_reason(reason: str, *, needed_for: str) -> str:
    """Without blanks around it; it may be empty only where it is needed for nothing."""
    written = reason.strip()
    if needed_for and not written:
        raise ReasonInvalid(f"Say why, to {needed_for}: whoever reads it has to decide or to go on by it.")
    if len(written) > REASON_LIMIT:
        raise ReasonInvalid(f"The reason is longer than {REASON_LIMIT} characters.")
    return written
