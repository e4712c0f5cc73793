"""How views answer: a page or its live part, a redirect after a POST, a form that was refused."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from apps.core.errors import Conflict, DomainError, Invalid, TooLarge
from apps.core.tenancy import scope
from apps.dashboard.access import PageRequest

UNPROCESSABLE = 422


def show(request: PageRequest, template: str, context: dict[str, Any], *, part: str = "", status: int = 200) -> HttpResponse:
    """The page; for a request by htmx only its partial `part`, so that one address serves both."""
    wants_part = bool(part) and bool(request.htmx) and not request.htmx.history_restore_request
    response: HttpResponse = render(request, f"{template}#{part}" if wants_part else template, context, status=status)
    patch_vary_headers(response, ("HX-Request",))
    return response


def go(request: PageRequest, name: str, *, say: str = "", query: str = "", **parts: Any) -> HttpResponse:
    """After a POST: on to another page of the workspace (`query` begins with "?"), with a sentence that is shown once."""
    if say:
        messages.success(request, say)
    response: HttpResponse = redirect(reverse(name, kwargs={"slug": request.workspace.slug, **parts}) + query)
    return response


def attempt[Result](request: PageRequest, act: Callable[[], Result]) -> Result | DomainError:
    """Do something that a person may have asked for wrongly. A refusal is rolled back and returned, to be shown beside the form.

    Everything else (no permission, no such row) is not for the form and is raised.
    """
    try:
        with scope(request.membership.workspace_id):  # a savepoint inside the request's transaction
            return act()
    except (Invalid, Conflict, TooLarge) as refusal:
        return refusal


def refuse(form: Form, refusal: DomainError) -> int:
    """Put a refusal on the form; returns the HTTP status to show it with."""
    form.add_error(None, refusal.message)
    return refusal.status
