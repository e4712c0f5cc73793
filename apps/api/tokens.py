"""Tokens are made by people, not by tokens."""

from datetime import timedelta

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.schemas import TokenIn, TokenOut
from apps.workspaces.services import create_token

router = Router()


@router.post("", response={201: TokenOut}, summary="Make a token for oneself")
@in_scope
def make_token(request: ApiRequest, body: TokenIn) -> Status[TokenOut]:
    lifetime = timedelta(days=body.days) if body.days else None
    return Status(201, TokenOut(token=create_token(actor=request.membership, name=body.name, lifetime=lifetime)))
