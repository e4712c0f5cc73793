"""Closes the requests that nobody decided in time, so that what waits for them is freed."""

from uuid import UUID

from django.db.models.functions import Now

from apps.approvals.models import ApprovalRequest
from apps.approvals.states import RequestState
from apps.approvals.transitions import close
from apps.core.tenancy import every_workspace, scope

BATCH = 100
REASON = "Nobody decided in time."


def expire_requests() -> int:
    """Close what is over by the database's clock, up to a batch; returns how many."""
    with every_workspace(reason="looking for requests whose time is over"):
        rows = ApprovalRequest.objects.filter(state=RequestState.OPEN, expires_at__lte=Now())
        found = list(rows.order_by("expires_at").values_list("workspace_id", "pk")[:BATCH])
    return sum(_expire(workspace_id, request_id) for workspace_id, request_id in found)


def _expire(workspace_id: UUID, request_id: UUID) -> bool:
    with scope(workspace_id):
        rows = ApprovalRequest.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        request = rows.filter(pk=request_id, state=RequestState.OPEN).first()
        if request is None:
            return False  # somebody withdraws it, or another scheduler is at it
        close(request, to_state=RequestState.EXPIRED, actor=None, reason=REASON)
        return True
