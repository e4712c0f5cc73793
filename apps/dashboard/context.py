"""What the frame of every page shows: workspace, member, what the member may do, what waits for them."""

from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from apps.approvals.services import count_requests_waiting_for
from apps.workspaces.models import Membership
from apps.workspaces.roles import Permission


class Navigation:
    """Asked only when a page draws it, and once."""

    def __init__(self, member: Membership) -> None:
        self._member = member

    @cached_property
    def open_approvals_count(self) -> int:
        """0 on the page of a failed request, whose transaction answers no more questions."""
        return 0 if transaction.get_rollback() else count_requests_waiting_for(self._member)


def page(request: HttpRequest) -> dict[str, Any]:
    """The context processor."""
    frame: dict[str, Any] = {"sandbox_runtime": settings.SANDBOX_RUNTIME}
    member: Membership | None = getattr(request, "membership", None)
    if member is None:
        return frame
    return frame | {
        "workspace": member.workspace,
        "membership": member,
        "memberships": request.memberships,  # type: ignore[attr-defined]  # set beside membership
        "may": {permission.value: member.can(permission) for permission in Permission},
        "nav": Navigation(member),
    }
