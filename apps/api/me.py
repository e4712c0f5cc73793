"""Whose token or session it is, and where it counts."""

from ninja import Router, Schema

from apps.api.authentication import ApiRequest, in_scope
from apps.workspaces.roles import PERMISSIONS, Permission, Role
from apps.workspaces.services import require

router = Router()


class MeOut(Schema):
    username: str
    role: Role
    workspace: str
    permissions: list[Permission]


@router.get("", response=MeOut, summary="Whose token or session it is, and where it counts")
@in_scope
def show(request: ApiRequest) -> MeOut:
    member = request.membership
    require(member, Permission.VIEW)
    role = Role(member.role)
    return MeOut(
        username=member.user.username, role=role, workspace=member.workspace.slug, permissions=sorted(PERMISSIONS[role])
    )  # fmt: skip
