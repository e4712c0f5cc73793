"""Where websockets lead. The consumers check who may listen."""

from django.urls import URLPattern, path

from apps.runs.consumers import RunLogConsumer
from apps.workspaces.consumers import HintConsumer

websocket_urlpatterns: list[URLPattern] = [
    path("ws/w/<slug:slug>/runs/<uuid:run_id>", RunLogConsumer.as_asgi()),  # type: ignore[arg-type]  # channels' stubs and Django's differ
    path("ws/w/<slug:slug>/hints", HintConsumer.as_asgi()),  # type: ignore[arg-type]
]
