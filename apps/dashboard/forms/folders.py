"""Forms about folders and groups."""

from typing import Any

from django import forms

from apps.functions.models import Folder, FolderAction
from apps.workspaces.models import Group, Membership
from apps.workspaces.roles import PERMISSIONS, Permission, Role

NEEDED = {FolderAction.RUN: Permission.RUN, FolderAction.EDIT: Permission.DEVELOP}


class FolderForm(forms.Form):
    """Cleaned: path."""

    path = forms.CharField(
        label="Path", max_length=200, help_text="Small letters, digits, - and _; a slash makes a folder below."
    )


class AccessForm(forms.Form):
    """Whom a folder keeps an action for. Only roles are offered that may do it at all. Cleaned: roles, groups."""

    roles = forms.MultipleChoiceField(label="Roles", required=False, widget=forms.CheckboxSelectMultiple)
    groups: forms.ModelMultipleChoiceField[Group] = forms.ModelMultipleChoiceField(
        label="Groups", required=False, queryset=None, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, action: FolderAction, **more: Any) -> None:
        super().__init__(*args, **more)
        may = [role for role in Role if NEEDED[action] in PERMISSIONS[role] and Permission.ADMINISTER not in PERMISSIONS[role]]
        self.fields["roles"].choices = [(role.value, role.value) for role in may]  # type: ignore[attr-defined]
        self.fields["groups"].queryset = Group.objects.order_by("name")  # type: ignore[attr-defined]

    def clean_roles(self) -> list[Role]:
        return [Role(role) for role in self.cleaned_data["roles"]]


class MoveForm(forms.Form):
    """Where a function shall lie. Cleaned: folder (a Folder, or None for the top)."""

    folder: forms.ModelChoiceField[Folder] = forms.ModelChoiceField(
        label="Folder", required=False, queryset=None, empty_label="The top of the library", to_field_name="path"
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["folder"].queryset = Folder.objects.order_by("path")  # type: ignore[attr-defined]


class OwnerForm(forms.Form):
    """Who shall own a function. Cleaned: owner (a Membership)."""

    owner: forms.ModelChoiceField[Membership] = forms.ModelChoiceField(label="Owner", queryset=None)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        members = Membership.objects.select_related("user").order_by("user__username")
        able = [role.value for role in Role if Permission.DEVELOP in PERMISSIONS[role]]
        self.fields["owner"].queryset = members.filter(role__in=able)  # type: ignore[attr-defined]


class GroupForm(forms.Form):
    """A group by its name and its members. Cleaned: name, members."""

    name = forms.CharField(label="Name", max_length=60)
    members: forms.ModelMultipleChoiceField[Membership] = forms.ModelMultipleChoiceField(
        label="Members", required=False, queryset=None, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["members"].queryset = Membership.objects.select_related("user").order_by("user__username")  # type: ignore[attr-defined]
