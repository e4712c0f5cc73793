"""Where addresses lead. Pages of a workspace lie under /w/<slug>/, REST under /api/v1/, sockets under /ws/."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]

websocket_urlpatterns: list[URLPattern] = []
