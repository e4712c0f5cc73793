"""Members: who is in the workspace, what each role may do, giving and taking roles."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.members import MemberForm
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.workspaces.models import Membership
from apps.workspaces.roles import PERMISSIONS, Permission, Role
from apps.workspaces.services import NEEDED_FOR, add_member, remove_member


@page(Permission.VIEW, FORM, to_post=Permission.ADMINISTER)
def members_list(request: PageRequest) -> HttpResponse:
    form = MemberForm(request.POST or None) if request.membership.can(Permission.ADMINISTER) else None
    status = 200
    if form is not None and request.method == "POST":
        outcome = attempt(request, lambda: _give_role(request, form)) if form.is_valid() else None
        if isinstance(outcome, Membership):
            return go(request, "members-list", say=f"{outcome} is {outcome.role} now.")
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    members = Membership.objects.select_related("user").order_by("user__username")
    return show(request, "members/list.html", {"members": members, "roles": _roles(), "form": form}, status=status)


@page(Permission.ADMINISTER, POST)
def member_remove(request: PageRequest, member_id: UUID) -> HttpResponse:
    remove_member(actor=request.membership, membership_id=member_id)
    if member_id == request.membership.pk:
        return redirect("entrance")  # this workspace is not one's own any more
    return go(request, "members-list", say="Removed.")


def _give_role(request: PageRequest, form: MemberForm) -> Membership:
    return add_member(actor=request.membership, user=form.cleaned_data["account"], role=form.cleaned_data["role"])


def _roles() -> list[tuple[str, list[str]]]:
    """Each role with what it lets one do, in words."""
    return [(role.value, [NEEDED_FOR[each] for each in Permission if each in PERMISSIONS[role]]) for role in Role]


urlpatterns = [
    path("members/", members_list, name="members-list"),
    path("members/<uuid:member_id>/remove", member_remove, name="member-remove"),
]
