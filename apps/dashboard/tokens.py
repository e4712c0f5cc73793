"""API tokens: a member's own, made, shown once, revoked."""

from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.tokens import TokenForm
from apps.dashboard.respond import UNPROCESSABLE, go, show
from apps.workspaces.roles import Permission
from apps.workspaces.services import create_token, list_tokens, revoke_token


@page(Permission.VIEW, FORM)
def tokens_list(request: PageRequest) -> HttpResponse:
    """A new token is shown on the answer to the form itself: kept for a redirect, it would be stored somewhere."""
    form, token, status = TokenForm(request.POST or None), "", 200
    if request.method == "POST":
        status = UNPROCESSABLE
        if form.is_valid():
            token = create_token(actor=request.membership, name=form.cleaned_data["name"], lifetime=form.lifetime())
            form, status = TokenForm(), 201
    context = {"tokens": list_tokens(actor=request.membership), "form": form, "token": token}
    response = show(request, "tokens/list.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


@page(Permission.VIEW, POST)
def token_revoke(request: PageRequest, token_id: UUID) -> HttpResponse:
    revoke_token(actor=request.membership, token_id=token_id)
    return go(request, "tokens-list", say="Revoked.")


urlpatterns = [
    path("tokens/", tokens_list, name="tokens-list"),
    path("tokens/<uuid:token_id>/revoke", token_revoke, name="token-revoke"),
]
