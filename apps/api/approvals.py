"""Requests that wait for people. Voting needs a session: tokens cannot vote."""

from uuid import UUID

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import ApprovalDetailOut, ApprovalOut, Page, VoteIn
from apps.approvals.services import cast_vote, get_request
from apps.approvals.services import list_requests as list_approval_requests

router = Router()


@router.get("", response=Page[ApprovalOut], summary="Requests, newest first")
@in_scope
def list_requests(request: ApiRequest, after: UUID | None = None, limit: int = USUAL, state: str = "") -> object:
    rows = list_approval_requests(actor=request.membership, state=state)
    return page_of(rows, after=after, limit=limit, show=ApprovalOut.of)


@router.get("/{request_id}", response=ApprovalDetailOut, summary="One request with its frozen subject")
@in_scope
def show(request: ApiRequest, request_id: UUID) -> ApprovalDetailOut:
    return _shown(request, request_id)


@router.post("/{request_id}/votes", response={201: ApprovalDetailOut}, summary="Decide (people only)")
@in_scope
def vote(request: ApiRequest, request_id: UUID, body: VoteIn) -> Status[ApprovalDetailOut]:
    cast_vote(
        actor=request.membership, request_id=request_id, decision=body.decision, reason=body.reason, shown_digest=body.digest
    )
    return Status(201, _shown(request, request_id))


def _shown(request: ApiRequest, request_id: UUID) -> ApprovalDetailOut:
    found = get_request(actor=request.membership, request_id=request_id)
    voters = [vote.user.username for vote in found.votes.select_related("user").order_by("id")]
    return ApprovalDetailOut(**ApprovalOut.of(found).dict(), subject=found.subject, decided_by=voters)
