"""Tokens are made and taken back by people, not by tokens."""

from datetime import timedelta
from uuid import UUID

from ninja import Router, Status

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import Page, TokenIn, TokenOut, TokenRowOut
from apps.workspaces.services import create_token, list_tokens, revoke_token

router = Router()


@router.get("", response=Page[TokenRowOut], summary="One's own tokens, newest first")
@in_scope
def list_own(request: ApiRequest, after: UUID | None = None, limit: int = USUAL) -> object:
    return page_of(list_tokens(actor=request.membership), after=after, limit=limit, show=TokenRowOut.of)


@router.post("", response={201: TokenOut}, summary="Make a token for oneself (people only)")
@in_scope
def make_token(request: ApiRequest, body: TokenIn) -> Status[TokenOut]:
    lifetime = timedelta(days=body.days) if body.days else None
    token = create_token(
        actor=request.membership, name=body.name, lifetime=lifetime, scopes=body.scopes, functions=body.functions
    )
    return Status(201, TokenOut(token=token))


@router.delete("/{token_id}", response={204: None}, summary="Take a token of one's own back (people only)")
@in_scope
def revoke(request: ApiRequest, token_id: UUID) -> Status[None]:
    revoke_token(actor=request.membership, token_id=token_id)
    return Status(204, None)
