"""HTTP and websockets. A socket must come from an allowed host and carry a session."""

from concurrent.futures import ThreadPoolExecutor

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection

from config.body_limit import BodyLimit
from config.env import load_environment_file
from config.paths import Paths

load_environment_file()

http = get_asgi_application()

from apps.api.hooks import Hooks  # noqa: E402
from apps.mcp.endpoint import endpoint as mcp  # noqa: E402
from apps.vault.keys import verify_root_key  # noqa: E402
from config.urls import websocket_urlpatterns  # noqa: E402  the apps must be loaded first

# The server imports this inside its event loop, where Django does not let the database be asked.
with ThreadPoolExecutor(max_workers=1) as starting:
    starting.submit(verify_root_key).result()
    starting.submit(lambda: connection.close()).result()  # noqa: PLW0108  that thread's own: it ends here

sockets = URLRouter(websocket_urlpatterns)  # type: ignore[arg-type]  # channels' stubs want a type of their own
application = ProtocolTypeRouter(
    {
        "http": Hooks(BodyLimit(Paths({"/mcp": mcp}, otherwise=http), max_bytes=settings.REQUEST_MAX_BYTES)),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets)),
    }
)
