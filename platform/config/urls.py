"""Where addresses lead. Pages of a workspace lie under /w/<slug>/, REST under /api/v1/, sockets under /ws/."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from apps.api.urls import api
from apps.dashboard.sockets import websocket_urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns", "websocket_urlpatterns"]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.dashboard.urls")),
    path("api/v1/", api.urls),
    path("accounts/", include("allauth.urls")),
    path("admin/attacks/", include("apps.dashboard.attacks")),
    path("admin/", admin.site.urls),
]

handler400 = "apps.dashboard.errors.bad_request"
handler403 = "apps.dashboard.errors.permission_denied"
handler404 = "apps.dashboard.errors.page_not_found"
handler500 = "apps.dashboard.errors.server_error"
