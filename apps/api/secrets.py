"""Secrets of functions: their names, and writing one. A value comes in here and never goes out."""

from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from ninja import Router

from apps.api.authentication import ApiRequest, in_scope
from apps.api.paging import USUAL, page_of
from apps.api.schemas import Page, SecretIn, SecretOut
from apps.vault.services import list_secrets, set_secret

router = Router()


@router.get("", response=Page[SecretOut], summary="Secrets and what may be known of them, newest first")
@in_scope
def list_all(request: ApiRequest, after: UUID | None = None, limit: int = USUAL) -> object:
    return page_of(list_secrets(actor=request.membership), after=after, limit=limit, show=SecretOut.of)


@router.put("/{name}", response=SecretOut, summary="Keep a value under a name, for functions; it cannot be read back")
@in_scope
@sensitive_variables("body")
def write(request: ApiRequest, name: str, body: SecretIn) -> SecretOut:
    return SecretOut.of(set_secret(actor=request.membership, name=name, value=body.value.get_secret_value()))
