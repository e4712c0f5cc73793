"""One shape for everything that goes wrong (RFC 9457), whoever noticed it: the domain, the API's frame, Django, the database."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from apps.core.errors import DomainError

MEDIA_TYPE = "application/problem+json"
NAMED_PLACES = 5
UNREADABLE = "The body cannot be read: send one JSON object."
CODES = {400: "bad_request", 401: "not_signed_in", 403: "forbidden", 404: "not_found"}


def problem(status: int, code: str, title: str, details: Mapping[str, Any] | None = None) -> HttpResponse:
    """An error's answer: `title` is for people, `code` and `details` for programs."""
    body = {"title": title, "code": code, "status": status, "details": details or {}}
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE)


def install_problems(api: NinjaAPI) -> None:
    """Map every anticipated error; what nobody anticipated is left to Django, which logs it."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        DomainError: _domain_error,
        HttpError: _http_error,
        ValidationError: _validation_error,
        Http404: _not_found,
        RequestDataTooBig: _too_large,
        SuspiciousOperation: _bad_request,
        MultiPartParserError: _bad_request,
        DataError: _unstorable,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _domain_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    response = problem(error.status, error.code, error.message, error.details)
    if "retry_after" in error.details:
        response.headers["Retry-After"] = str(error.details["retry_after"])
    return response


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    title = UNREADABLE if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(error.__cause__, Exception) else str(error)
    return problem(error.status_code, CODES.get(error.status_code, "http"), title)


def _validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    places = [".".join(str(part) for part in each["loc"]) + f": {each['msg']}" for each in error.errors[:NAMED_PLACES]]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"The request does not fit: {'; '.join(places)}")


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such thing here.")


def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The request is too large: send large data as a file.")


def _bad_request(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(HTTPStatus.BAD_REQUEST, "bad_request", "The request cannot be read.")


def _unstorable(request: HttpRequest, error: DataError) -> HttpResponse:
    """PostgreSQL refuses NUL characters, among others. Nothing was stored: the operation's transaction is over."""
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unstorable", "The request holds a character or number that cannot be kept.")
