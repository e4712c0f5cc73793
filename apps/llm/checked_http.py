"""An HTTP client for servers that a workspace named: the address that was checked is the one that is connected to.

No redirects, no proxy from the environment, no compressed replies (they could unfold without end), and one deadline
and one size for all that the server sends, so that a slow drip ends too.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from apps.llm.addresses import AddressRefused, resolve

MAX_REPLY_BYTES = 8 * 1024 * 1024  # about ten times the longest reply that any model gives today


def checked_client(*, allowed: frozenset[str], seconds: float, max_bytes: int = MAX_REPLY_BYTES) -> httpx.Client:
    """A client for one model call, which must be over `seconds` from now."""
    backend = _CheckedBackend(allowed, _Budget(time.monotonic() + seconds, max_bytes))
    return httpx.Client(transport=_CheckedTransport(backend), timeout=seconds, follow_redirects=False, trust_env=False)


class _Budget:
    """What is left of time and bytes."""

    def __init__(self, deadline: float, bytes_left: int) -> None:
        self._deadline = deadline
        self._bytes_left = bytes_left

    def seconds(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("The time for this call is over.")
        return left

    def spend(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise httpcore.RemoteProtocolError("The server sent more than a reply may have.")


class _CheckedTransport(httpx.HTTPTransport):
    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        super().__init__(trust_env=False)
        # httpx takes no network backend of its own, so its pool is replaced by the same one with ours.
        self._pool = httpcore.ConnectionPool(ssl_context=httpx.create_ssl_context(), network_backend=backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["accept-encoding"] = "identity"
        response = super().handle_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise httpx.RemoteProtocolError("The server sent a compressed reply, which was not asked for.")
        return response


class _CheckedBackend(httpcore.NetworkBackend):
    def __init__(self, allowed: frozenset[str], budget: _Budget) -> None:
        self._allowed = allowed
        self._budget = budget
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in self._addresses(host, port):
            try:
                stream = self._sockets.connect_tcp(address, port, self._budget.seconds(), local_address, socket_options)
                return _BudgetedStream(stream, self._budget)
            except httpcore.ConnectError as error:
                failure = error
        raise httpcore.ConnectError(f"Nothing answers at {host}:{port}.") from failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return resolve(host, port, allowed=self._allowed)
        except (AddressRefused, OSError) as error:
            raise httpcore.ConnectError(str(error)) from error


class _BudgetedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._budget.seconds())
        self._budget.spend(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._budget.seconds())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _BudgetedStream(self._stream.start_tls(ssl_context, server_hostname, self._budget.seconds()), self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
