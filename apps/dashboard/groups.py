"""Groups of members: listed on one page, made and filled there by admins."""

from collections.abc import Sequence
from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.folders import GroupForm
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.workspaces import groups
from apps.workspaces.groups import NoSuchGroup
from apps.workspaces.models import Group, Membership
from apps.workspaces.roles import Permission
from apps.workspaces.services import NoSuchMember


@page(Permission.VIEW, FORM, to_post=Permission.ADMINISTER)
def groups_list(request: PageRequest) -> HttpResponse:
    form = GroupForm(request.POST or None) if request.membership.can(Permission.ADMINISTER) else None
    status = 200
    if form is not None and request.method == "POST":
        given = form.cleaned_data if form.is_valid() else None
        outcome = attempt(request, lambda: groups.make_group(actor=request.membership, **given)) if given else None
        if isinstance(outcome, Group):
            return go(request, "groups-list", say=f"The group {outcome.name} is there.")
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    told = {"groups": [(*each, _filled(request, *each)) for each in groups.list_groups(actor=request.membership)], "form": form}
    return show(request, "members/groups.html", told, status=status)


@page(Permission.ADMINISTER, POST)
def group_fill(request: PageRequest, group_id: UUID) -> HttpResponse:
    group = _group(group_id)
    form = GroupForm({**request.POST.dict(), "name": group.name, "members": request.POST.getlist("members")})
    if not form.is_valid():
        raise NoSuchMember("There is no such member here.")
    groups.fill_group(actor=request.membership, group=group, members=form.cleaned_data["members"])
    return go(request, "groups-list", say=f"{group.name} has {len(form.cleaned_data['members'])} members now.")


@page(Permission.ADMINISTER, POST)
def group_remove(request: PageRequest, group_id: UUID) -> HttpResponse:
    group = _group(group_id)
    groups.remove_group(actor=request.membership, group=group)
    return go(request, "groups-list", say=f"The group {group.name} is removed.")


def _group(group_id: UUID) -> Group:
    group = Group.objects.filter(pk=group_id).first()
    if group is None:
        raise NoSuchGroup("There is no such group here.")
    return group


def _filled(request: PageRequest, group: Group, members: Sequence[Membership]) -> GroupForm | None:
    if not request.membership.can(Permission.ADMINISTER):
        return None
    return GroupForm(initial={"name": group.name, "members": members}, auto_id=f"{group.pk}_%s")


urlpatterns = [
    path("members/groups/", groups_list, name="groups-list"),
    path("members/groups/<uuid:group_id>/fill", group_fill, name="group-fill"),
    path("members/groups/<uuid:group_id>/remove", group_remove, name="group-remove"),
]
