"""Puts the nouns together and maps every domain error to one shape."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from apps.api import approvals, files, functions, packages, runs, tasks, tokens
from apps.api.authentication import authenticate, problem
from apps.core.errors import DomainError

api = NinjaAPI(title="Selfsmith", version="1", auth=authenticate, urls_namespace="api")
api.add_router("/tokens", tokens.router, tags=["tokens"])
api.add_router("/files", files.router, tags=["files"])
api.add_router("/functions", functions.router, tags=["functions"])
api.add_router("/runs", runs.router, tags=["runs"])
api.add_router("/tasks", tasks.router, tags=["tasks"])
api.add_router("/packages", packages.router, tags=["packages"])
api.add_router("/approvals", approvals.router, tags=["approvals"])


def _answer(request: HttpRequest, body: dict[str, Any], status: int) -> HttpResponse:
    return api.create_response(request, body, status=status)


@api.exception_handler(DomainError)
def domain_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    return _answer(request, problem(request, error), error.status)


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _answer(request, {"title": str(error), "code": "http", "status": error.status_code, "details": {}}, error.status_code)


@api.exception_handler(ValidationError)
def validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    places = [".".join(str(part) for part in each["loc"]) + f": {each['msg']}" for each in error.errors]
    body = {"title": f"The request does not fit: {'; '.join(places[:5])}", "code": "invalid", "status": 422, "details": {}}
    return _answer(request, body, 422)
