"""Round the operations of the API: the shape of what goes wrong where no handler is asked, and how much one may still ask."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from apps.api.problems import CODES, MEDIA_TYPE, problem

type GetResponse = Callable[[HttpRequest], HttpResponse]
ADDRESSES = "/api/"
TITLES = {
    HTTPStatus.NOT_FOUND: "There is no such address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method; the header Allow names those that it takes.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The file has no such range.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here, and is noted in the log. Nothing was stored.",
}
KEPT = ("Allow", "Content-Range", "Accept-Ranges", "ETag", "Retry-After")


class ProblemsMiddleware:
    """No such address, no such method, a host or a body that Django refuses, an error that nobody anticipated: a problem each."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_told = response.status_code < HTTPStatus.BAD_REQUEST or response.get("Content-Type") == MEDIA_TYPE
        if is_told or not request.path_info.startswith(ADDRESSES):
            return response
        status = HTTPStatus(response.status_code)
        told = problem(status, CODES.get(status, status.name.lower()), TITLES.get(status, f"{status.phrase}."))
        for name in KEPT:
            if name in response.headers:
                told.headers[name] = response.headers[name]
        return told


class RateLimitMiddleware:
    """Writes the RateLimit headers of requests that were counted (see `authentication`)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        allowance = getattr(request, "allowance", None)
        if allowance is not None:
            for name, value in allowance.headers().items():
                response.headers[name] = value
        return response
