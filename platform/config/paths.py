"""Which ASGI application answers an address: Django, but for what has a stream of its own."""

from collections.abc import Mapping
from typing import Any

from config.body_limit import Application, Receive, Send


class Paths:
    """Gives a request to the application of its exact address, with or without a slash at its end; else to `otherwise`."""

    def __init__(self, applications: Mapping[str, Any], *, otherwise: Application) -> None:
        self._applications, self._otherwise = applications, otherwise

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        application = self._applications.get(scope["path"].removesuffix("/"), self._otherwise)
        await application(scope, receive, send)
