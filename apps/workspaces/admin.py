"""Workspaces and members in the operator's admin."""

from django.contrib import admin

from apps.workspaces.models import Membership, Workspace


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin[Workspace]):
    list_display = ["slug", "name", "created_at"]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ["workspace", "user", "role"]
    list_select_related = ["workspace", "user"]
