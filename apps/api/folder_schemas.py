"""The JSON of folders and groups."""

from typing import Literal
from uuid import UUID

from ninja import Field, Schema

from apps.functions.folders import Place
from apps.functions.models import FolderAccess
from apps.workspaces.models import Group, Membership
from apps.workspaces.roles import Role

type Action = Literal["run", "edit"]


class FolderIn(Schema):
    path: str = Field(max_length=200, description="names of small letters, digits, - and _ with slashes between: billing/reports")


class AccessIn(Schema):
    action: Action
    roles: list[Role] = Field([], max_length=10)
    groups: list[str] = Field([], max_length=50, description="by name")


class AccessOut(Schema):
    roles: list[str]
    groups: list[str]

    @staticmethod
    def of(rows: list[FolderAccess]) -> "AccessOut":
        return AccessOut(
            roles=sorted(row.role for row in rows if row.role), groups=sorted(row.group.name for row in rows if row.group)
        )


class FolderOut(Schema):
    id: UUID
    path: str
    functions: int = Field(description="that lie in it")
    functions_below: int = Field(description="that lie in it or in a folder below")
    run: AccessOut = Field(description="who may run what is in it; nobody named: as the folder above says")
    edit: AccessOut

    @staticmethod
    def of(place: Place) -> "FolderOut":
        rows = {action: [row for row in place.access if row.action == action] for action in ("run", "edit")}
        return FolderOut(
            id=place.folder.pk,
            path=place.folder.path,
            functions=place.own,
            functions_below=place.whole,
            run=AccessOut.of(rows["run"]),
            edit=AccessOut.of(rows["edit"]),
        )


class MoveIn(Schema):
    functions: list[str] = Field(min_length=1, max_length=200, description="by name")
    folder: str = Field("", max_length=200, description="the path; empty for the top of the library")


class OwnerIn(Schema):
    owner: str = Field(max_length=150, description="the name of a member's account")


class GroupIn(Schema):
    members: list[str] = Field(max_length=500, description="names of accounts; exactly these are in the group then")


class GroupOut(Schema):
    id: UUID
    name: str
    members: list[str]

    @staticmethod
    def of(group: Group, members: list[Membership]) -> "GroupOut":
        return GroupOut(id=group.pk, name=group.name, members=sorted(str(member) for member in members))
