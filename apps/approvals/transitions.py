"""The one way in which a request ends. The caller holds the row's lock."""

from django.db.models import Q
from django.db.models.functions import Now

from apps.approvals.kinds import get_kind
from apps.approvals.models import ApprovalRequest, Grant
from apps.approvals.states import RequestState
from apps.audit.services import Actor, record
from apps.core.errors import Conflict
from apps.core.events import emit
from apps.core.notify import publish

ENDINGS = {
    RequestState.APPROVED: "was approved",
    RequestState.REJECTED: "was rejected",
    RequestState.WITHDRAWN: "was withdrawn",
    RequestState.EXPIRED: "has expired",
}


class RequestClosed(Conflict):
    code = "request_closed"


def close(request: ApprovalRequest, *, to_state: RequestState, actor: Actor | None, reason: str) -> None:
    """End an open request: state, grant, what its kind does, news. All of it or, when anything raises, nothing.

    The condition stands in the UPDATE itself, whose clock is read after the lock was had.

    Raises:
        RequestClosed: it has ended already, or its time is over.
    """
    in_time = Q(expires_at__lte=Now()) if to_state == RequestState.EXPIRED else Q(expires_at__gt=Now())
    rows = ApprovalRequest.objects.filter(in_time, pk=request.pk, state=RequestState.OPEN)
    if rows.update(state=to_state, closed_at=Now(), closing_reason=reason) == 0:
        raise closed_error(request)
    request.refresh_from_db()
    if to_state == RequestState.APPROVED:
        Grant.objects.create(request=request, kind=request.kind, digest=request.digest)
    record(actor=actor, action=f"request.{to_state}", subject=request, kind=request.kind, digest=request.digest, reason=reason)
    kind = get_kind(request.kind)
    (kind.on_approved if to_state == RequestState.APPROVED else kind.on_closed)(request)
    emit(f"request.{to_state}", request_id=request.pk, kind=request.kind, digest=request.digest, reason=reason)
    announce(request)


def closed_error(request: ApprovalRequest) -> RequestClosed:
    """Why nothing can be decided any more, in a sentence. An open request gives it only when its time is over."""
    state = RequestState(request.state)
    return RequestClosed(f"This request {ENDINGS.get(state, 'has expired')}: it cannot be decided any more.", state=state)


def announce(request: ApprovalRequest) -> None:
    """Tell the open pages."""
    publish(request.workspace_id, f"approval.{request.pk.hex}")
    publish(request.workspace_id, "approvals")
