"""What a proxy, a container engine and a monitor ask, and the id by which a request is found in the logs.

The probes come before everything else: they must answer whatever name the asker used and though nobody is signed in.
"""

import hmac
import ipaddress
import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.core.log_context import bound
from apps.monitoring import readiness
from apps.monitoring.metrics import render_metrics

type GetResponse = Callable[[HttpRequest], HttpResponse]
log = logging.getLogger("selfsmith.request")
PLAIN, PROMETHEUS = "text/plain; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8"
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


class ProbesMiddleware:
    """/healthz: this process lives. /readyz: it can serve. /metrics: the operator's figures."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = {"/healthz": _health, "/readyz": _readiness, "/metrics": _metrics}.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse("Ask by GET.\n", status=405, content_type=PLAIN, headers={"Allow": "GET, HEAD"})
        response = answer(request)
        response["Cache-Control"] = "no-store"
        return response


class RequestLogMiddleware:
    """Gives each request an id, or keeps its proxy's, and writes one line about it. The line holds the route and no address:
    what people type into addresses, or get there by mail, is nobody's to read."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        begun = time.perf_counter()
        with bound(request_id=request_id):
            response = self.get_response(request)
            match = request.resolver_match
            facts = {
                "method": request.method,
                "route": match.route if match else "",
                "status": response.status_code,
                "milliseconds": round((time.perf_counter() - begun) * 1000, 1),
            }
            log.info("request", extra=facts)
        response["X-Request-ID"] = request_id
        return response


def _health(_: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type=PLAIN)


def _readiness(_: HttpRequest) -> HttpResponse:
    found = readiness.look()
    ready = all(state == readiness.OK for state in found.values())
    text = "".join(f"{part}: {state}\n" for part, state in found.items())
    return HttpResponse(text, status=200 if ready else 503, content_type=PLAIN)


def _metrics(request: HttpRequest) -> HttpResponse:
    if not _may_read_metrics(request):
        refusal = "These figures are for the operator: see SELFSMITH_METRICS_TOKEN in docs/how-to/production.md.\n"
        return HttpResponse(refusal, status=403, content_type=PLAIN)
    return HttpResponse(render_metrics(), content_type=PROMETHEUS)


def _may_read_metrics(request: HttpRequest) -> bool:
    """With the operator's token; or, where the setting allows it, from this machine and not through a proxy on it."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN and hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
        return True
    return settings.METRICS_FROM_LOOPBACK and _is_loopback(request) and not any(name in request.META for name in FORWARDED)


def _is_loopback(request: HttpRequest) -> bool:
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
