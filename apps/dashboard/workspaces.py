"""The way in: from the root address to a workspace of one's own."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from apps.workspaces.services import memberships_of


@login_required
def entrance(request: HttpRequest) -> HttpResponse:
    """The first workspace by name; a page that says so to whoever belongs to none."""
    memberships = memberships_of(request.user)  # type: ignore[arg-type]  # signed in, so it is a User
    if memberships:
        return redirect("home", slug=memberships[0].workspace.slug)
    return render(request, "no_workspace.html")


urlpatterns = [path("", entrance, name="entrance")]
