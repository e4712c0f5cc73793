"""Members: who is in the workspace, and what each role may do."""

from django.http import HttpResponse
from django.urls import path

from apps.dashboard.access import PageRequest, page
from apps.dashboard.respond import show
from apps.workspaces.models import Membership
from apps.workspaces.roles import PERMISSIONS, Permission, Role
from apps.workspaces.services import NEEDED_FOR


@page(Permission.VIEW)
def members_list(request: PageRequest) -> HttpResponse:
    roles = [
        (role.value, [NEEDED_FOR[permission] for permission in Permission if permission in PERMISSIONS[role]]) for role in Role
    ]
    members = Membership.objects.select_related("user").order_by("user__username")
    return show(request, "members/list.html", {"members": members, "roles": roles})


urlpatterns = [path("members/", members_list, name="members-list")]
