"""HTTP and websockets. A socket must come from an allowed host and carry a session."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

from config.env import load_environment_file

load_environment_file()
import config.celery  # noqa: E402  the application by which pages wake workers

http = get_asgi_application()

from config.urls import websocket_urlpatterns  # noqa: E402  the apps must be loaded first

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
