"""Secrets: names and fingerprints, writing one, deleting one. A value is only ever on its way in."""

from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.secrets import SecretForm
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.vault.models import Secret
from apps.vault.services import delete_secret, list_secrets, set_secret
from apps.workspaces.roles import Permission


@page(Permission.VIEW)
def secrets_list(request: PageRequest) -> HttpResponse:
    return show(request, "secrets/list.html", {"secrets": list_secrets(actor=request.membership)})


@page(Permission.ADMINISTER, FORM)
def secret_new(request: PageRequest) -> HttpResponse:
    """Also another value for a name that there is: that is a new version of it."""
    replaces = request.GET.get("name", "")[:100]
    form = SecretForm(request.POST or None, initial={"name": replaces, "purpose": request.GET.get("purpose", "function")})
    status = 200
    if request.method == "POST":
        outcome = attempt(request, lambda: set_secret(actor=request.membership, **form.cleaned_data)) if form.is_valid() else None
        if isinstance(outcome, Secret):
            return go(request, "secrets-list", say=f"{outcome.name} is kept.")
        status = refuse(form, outcome) if isinstance(outcome, DomainError) else UNPROCESSABLE
    return show(request, "secrets/new.html", {"form": form, "replaces": replaces}, status=status)


@page(Permission.ADMINISTER, POST)
def secret_delete(request: PageRequest, secret_id: UUID) -> HttpResponse:
    delete_secret(actor=request.membership, secret_id=secret_id)
    return go(request, "secrets-list", say="Deleted. What used it fails from now on.")


urlpatterns = [
    path("secrets/", secrets_list, name="secrets-list"),
    path("secrets/new", secret_new, name="secret-new"),
    path("secrets/<uuid:secret_id>/delete", secret_delete, name="secret-delete"),
]
