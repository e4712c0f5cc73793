"""Language models: the list, adding one, testing its connection, choosing the default. Django reserves “models”."""

from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from apps.core.errors import DomainError
from apps.dashboard.access import FORM, POST, PageRequest, page
from apps.dashboard.forms.language_models import KeyForm, LanguageModelForm
from apps.dashboard.respond import UNPROCESSABLE, attempt, go, refuse, show
from apps.llm.connection import request_test
from apps.llm.models import ConnectionState, LanguageModel
from apps.llm.services import add_model, choose_default, find_model, list_models, remove_model, replace_key
from apps.workspaces.roles import Permission

UNDER_TEST = (ConnectionState.QUEUED, ConnectionState.RUNNING)


@page(Permission.VIEW)
def models_list(request: PageRequest) -> HttpResponse:
    return show(request, "models/list.html", {"models": list_models()})


@page(Permission.ADMINISTER, FORM)
def model_new(request: PageRequest) -> HttpResponse:
    form = LanguageModelForm(request.POST or None)
    status = 200
    if request.method == "POST":
        outcome = attempt(request, lambda: add_model(actor=request.membership, **form.cleaned_data)) if form.is_valid() else None
        if isinstance(outcome, LanguageModel):
            return go(request, "model-detail", model_id=outcome.pk, say="Saved. Its connection is being tested.")
        status = refuse(form, outcome) if outcome else UNPROCESSABLE
    return show(request, "models/form.html", {"form": form, "model": None}, status=status)


@page(Permission.VIEW)
def model_detail(request: PageRequest, model_id: UUID) -> HttpResponse:
    return _show(request, find_model(model_id=model_id), KeyForm())


@page(Permission.ADMINISTER, POST)
def model_test(request: PageRequest, model_id: UUID) -> HttpResponse:
    """A worker asks; the page looks again until it has answered."""
    request_test(actor=request.membership, model_id=model_id)
    if request.htmx:
        return _show(request, find_model(model_id=model_id), KeyForm())
    return go(request, "model-detail", model_id=model_id, say="The connection is being tested.")


@page(Permission.ADMINISTER, POST)
def model_key(request: PageRequest, model_id: UUID) -> HttpResponse:
    form = KeyForm(request.POST)
    status = UNPROCESSABLE
    if form.is_valid():
        outcome = attempt(request, lambda: replace_key(actor=request.membership, model_id=model_id, **form.cleaned_data))
        if not isinstance(outcome, DomainError):
            return go(request, "model-detail", model_id=model_id, say="The key is replaced.")
        status = refuse(form, outcome)
    return _show(request, find_model(model_id=model_id), form, status=status)


@page(Permission.ADMINISTER, POST)
def model_default(request: PageRequest, model_id: UUID) -> HttpResponse:
    choose_default(actor=request.membership, model_id=model_id)
    return go(request, "models-list", say="That is the default now.")


@page(Permission.ADMINISTER, POST)
def model_delete(request: PageRequest, model_id: UUID) -> HttpResponse:
    remove_model(actor=request.membership, model_id=model_id)
    return go(request, "models-list", say="Removed.")


def _show(request: PageRequest, model: LanguageModel, form: KeyForm, *, status: int = 200) -> HttpResponse:
    context = {"model": model, "is_under_test": model.state in UNDER_TEST, "key_form": form}
    return show(request, "models/detail.html", context, part="test", status=status)


urlpatterns = [
    path("models/", models_list, name="models-list"),
    path("models/new", model_new, name="model-new"),
    path("models/<uuid:model_id>/", model_detail, name="model-detail"),
    path("models/<uuid:model_id>/test", model_test, name="model-test"),
    path("models/<uuid:model_id>/key", model_key, name="model-key"),
    path("models/<uuid:model_id>/default", model_default, name="model-default"),
    path("models/<uuid:model_id>/delete", model_delete, name="model-delete"),
]
