"""The pages of errors. They tell nothing of what exists: the same words for what is foreign and for what is not there."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.shortcuts import render
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django has no handler of its own for what is too large."""
    if isinstance(exception, RequestDataTooBig):
        return render(
            request, "413.html", {"message": "The form holds more text than is taken here. Send it as a file."}, status=413
        )
    return render(request, "400.html", status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403.html", status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without context processors: they may be what failed."""
    return HttpResponseServerError(render_to_string("500.html"))
