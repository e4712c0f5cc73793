"""API tokens: a member's own, made, shown once, revoked."""

import json
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.tokens import TokenForm
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.workspaces.roles import Permission
from apps.workspaces.services import create_token, list_tokens, revoke_token


@page(Permission.VIEW, FORM)
def tokens_list(request: PageRequest) -> HttpResponse:
    """A new token is shown on the answer to the form itself: kept for a redirect, it would be stored somewhere."""
    form, token, status = TokenForm(request.POST or None, member=request.membership), "", 200
    if request.method == "POST":
        status = UNPROCESSABLE
        if form.is_valid():
            made = attempt(request, lambda: create_token(actor=request.membership, lifetime=form.lifetime(), **_given(form)))
            if isinstance(made, DomainError):
                status = refuse(form, made)
            else:
                form, token, status = TokenForm(member=request.membership), made, 201
    context = {"tokens": list_tokens(actor=request.membership), "form": form, "token": token}
    response = show(request, "tokens/list.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _given(form: TokenForm) -> dict[str, Any]:
    return {name: form.cleaned_data[name] for name in ("name", "scopes", "functions")}


@page(Permission.VIEW)
def agent_connect(request: PageRequest) -> HttpResponse:
    """How an agent outside reaches this workspace by MCP: address, token, and what to paste where."""
    address = request.build_absolute_uri("/mcp")
    server = {"type": "http", "url": address, "headers": {"Authorization": "Bearer YOUR_TOKEN"}}
    name = f"selfsmith-{request.workspace.slug}"
    settings = json.dumps({"mcpServers": {name: server}}, indent=2)
    command = f'claude mcp add --transport http {name} {address} --header "Authorization: Bearer YOUR_TOKEN"'
    return show(request, "tokens/connect.html", {"address": address, "settings": settings, "command": command})


@page(Permission.VIEW, POST)
def token_revoke(request: PageRequest, token_id: UUID) -> HttpResponse:
    revoke_token(actor=request.membership, token_id=token_id)
    return go(request, "tokens-list", say="Revoked.")


urlpatterns = [
    path("tokens/", tokens_list, name="tokens-list"),
    path("connect/", agent_connect, name="agent-connect"),
    path("tokens/<uuid:token_id>/revoke", token_revoke, name="token-revoke"),
]
