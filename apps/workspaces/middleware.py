"""HTTP's entry points into a scope. The address selects a workspace; membership decides; strangers get 404."""

import re
from collections.abc import Callable

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from apps.core.errors import DomainError
from apps.core.tenancy import every_workspace, scope
from apps.workspaces.models import Membership, Workspace
from apps.workspaces.services import memberships_of

type GetResponse = Callable[[HttpRequest], HttpResponse]
WORKSPACE_ADDRESS = re.compile(r"^/w/(?P<slug>[-\w]+)/")


class WorkspaceRequest(HttpRequest):
    """What a view under /w/<slug>/ receives."""

    workspace: Workspace
    membership: Membership
    memberships: list[Membership]  # all of this user, for the switcher: inside the scope the others cannot be seen


class WorkspaceMiddleware:
    """One scope, and so one transaction, round every page of a workspace. An error rolls it back."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = WORKSPACE_ADDRESS.match(request.path_info)
        if address is None:
            return self.get_response(request)
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        memberships = memberships_of(request.user)
        membership = next((each for each in memberships if each.workspace.slug == address["slug"]), None)
        if membership is None:
            return render(request, "404.html", status=404)
        request.membership, request.workspace = membership, membership.workspace  # type: ignore[attr-defined]
        request.memberships = memberships  # type: ignore[attr-defined]
        with scope(membership.workspace_id):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Nothing of a failed request is kept; a domain error becomes a page that says what was wrong."""
        if not hasattr(request, "membership"):
            return None
        transaction.set_rollback(True)
        if isinstance(error, DomainError):
            return render_domain_error(request, error)
        return None


class OperatorMiddleware:
    """The operator's admin works across workspaces, in one transaction a request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not request.user.is_staff:
            return render(request, "404.html", status=404)
        with every_workspace(reason="the operator's admin"):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        if request.path_info.startswith("/admin/"):
            transaction.set_rollback(True)


def render_domain_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The one mapper from a domain error to a page; a request by htmx gets the panel alone."""
    if error.status == 404 and not getattr(request, "htmx", False):
        raise Http404(error.message) from error
    template = "_components/error_panel.html" if getattr(request, "htmx", False) else "error.html"
    return render(request, template, {"error": error, "message": error.message, "code": error.code}, status=error.status)
