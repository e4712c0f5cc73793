"""HTTP API's entry point into a scope: a token names its workspace, a session names it by the header X-Workspace."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from ninja.errors import HttpError

from apps.core.tenancy import scope
from apps.workspaces.models import Membership
from apps.workspaces.rates import Allowance, TooManyRequests, spend
from apps.workspaces.services import authenticate_token, find_membership

BEARER = "Bearer "


class ApiRequest(HttpRequest):
    """What an operation receives."""

    membership: Membership
    allowance: Allowance


def authenticate(request: HttpRequest) -> Membership | None:
    """The member who calls: by bearer token, or by session with X-Workspace (then CSRF is checked). Counts the request.

    Raises: HttpError, TooManyRequests
    """
    header = request.headers.get("Authorization", "")
    if header.startswith(BEARER):
        member = authenticate_token(header.removeprefix(BEARER).strip(), now=timezone.now())
    elif request.user.is_authenticated:
        _check_csrf(request)
        member = find_membership(user=request.user, slug=request.headers.get("X-Workspace", ""))
        if member is None:
            raise HttpError(404, "Say in the header X-Workspace which of your workspaces you mean.")
    else:
        member = None
    if member is not None:
        request.membership = member  # type: ignore[attr-defined]
        _count(request, member)
    return member


def _count(request: HttpRequest, member: Membership) -> None:
    """What is left is put on the request, for the answer's headers, also when it is nothing."""
    try:
        request.allowance = spend(member)  # type: ignore[attr-defined]
    except TooManyRequests as refusal:
        request.allowance = refusal.allowance  # type: ignore[attr-defined]
        raise


def _check_csrf(request: HttpRequest) -> None:
    refusal = CsrfViewMiddleware(lambda _: HttpResponse()).process_view(request, lambda _: HttpResponse(), (), {})
    if refusal is not None:
        raise HttpError(403, "The CSRF token is missing or wrong: send it in the header X-CSRFToken.")


def in_scope[**P, Result](operation: Callable[P, Result]) -> Callable[P, Result]:
    """Run the operation in its member's scope: one transaction, nothing kept when it fails."""

    @wraps(operation)
    def scoped(*args: Any, **kwargs: Any) -> Result:
        request = args[0] if args else kwargs["request"]
        with scope(request.membership.workspace_id):
            return operation(*args, **kwargs)

    return scoped
