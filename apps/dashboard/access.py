"""What every page declares: the permission that it needs and the methods that it answers. Nothing is a page without it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponseBase, HttpResponseNotAllowed
from django_htmx.middleware import HtmxDetails

from apps.workspaces.middleware import WorkspaceRequest
from apps.workspaces.roles import Permission
from apps.workspaces.services import require


class PageRequest(WorkspaceRequest):
    """A request of a member for a page of a workspace."""

    htmx: HtmxDetails


type View = Callable[..., HttpResponseBase]

GET = ("GET", "HEAD")
POST = ("POST",)
FORM = (*GET, *POST)


def page(needs: Permission, methods: tuple[str, ...] = GET, *, to_post: Permission | None = None) -> Callable[[View], View]:
    """Let only members with the permission `needs` in, and only by `methods`; a POST may need more (`to_post`).

    The view does not get the slug: the middleware has put the workspace on the request. What was declared stays
    readable on the view for the test that lists every route.

    Raises (from the view): PermissionMissing, which becomes a 403 page that names the roles.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: PageRequest, slug: str, **parts: Any) -> HttpResponseBase:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            require(request.membership, (request.method == "POST" and to_post) or needs)
            return view(request, **parts)

        guarded.methods = methods  # type: ignore[attr-defined]
        guarded.needs = {method: (method == "POST" and to_post) or needs for method in methods}  # type: ignore[attr-defined]
        return guarded

    return decorate
