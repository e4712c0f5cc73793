"""The limits of functions, and the most of each that the workspace allows. Set on a page, by people."""

from ninja import Router

from apps.api.authentication import ApiRequest, in_scope
from apps.api.schemas import LimitOut
from apps.functions.limits import LIMITS, workspace_maxima
from apps.workspaces.roles import Permission
from apps.workspaces.services import require

router = Router()


@router.get("", response=list[LimitOut], summary="Every limit with its default and the most that is allowed here")
@in_scope
def list_limits(request: ApiRequest) -> object:
    require(request.membership, Permission.VIEW)
    maxima = workspace_maxima()
    return [LimitOut.of(row, maxima[name]) for name, row in LIMITS.items()]
