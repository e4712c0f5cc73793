"""Lets programs that know HTTP proxies reach the one of their box: from a port on loopback to the host's socket.

It runs as the tool's user, in a process of its own: it has nothing that the tool has not, and knows nothing. What may be
reached is decided at the other end, outside of the box.
"""

import asyncio
import contextlib
import json
import os
import socket

from . import confinement, frames
from .settings import Settings

_LISTENER = 3  # the one descriptor that the process keeps, beside the standard three
_LOCAL = "localhost,127.0.0.1,::1"


def open_way_out(settings: Settings, job: bytes) -> bytes:
    """The job, with what its environment shall say of a proxy. For a job that may reach no host: no relay, nothing said."""
    order = json.loads(job)
    if not order["egress"]:
        return job
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", settings.relay_port))
        listener.listen(64)
        _fork(settings, listener)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    names = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), address)
    return json.dumps({**order, "proxy": {**names, "NO_PROXY": _LOCAL, "no_proxy": _LOCAL}}).encode()


def _fork(settings: Settings, listener: socket.socket) -> None:
    if os.fork() == 0:
        code = 70
        try:
            _keep_only(listener.fileno())
            confinement.confine(settings)
            asyncio.run(_serve(settings.egress))
            code = 0
        finally:
            os._exit(code)


def _keep_only(descriptor: int) -> None:
    """Above all not the socket to the host, nor an end of the tool's pipes."""
    if descriptor != _LISTENER:
        os.dup2(descriptor, _LISTENER)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > _LISTENER:
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(int(name))


async def _serve(path: str) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs = await asyncio.open_unix_connection(path, limit=frames.CHUNK)
        except OSError:
            writer.close()
            return
        await _pass_both_ways((reader, writer), theirs)

    server = await asyncio.start_server(connect, sock=socket.socket(fileno=_LISTENER), limit=frames.CHUNK)
    await server.serve_forever()


type _End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pass_both_ways(tool: _End, proxy: _End) -> None:
    """Until the proxy has said everything."""
    up = asyncio.ensure_future(_pass(tool[0], proxy[1]))
    await _pass(proxy[0], tool[1])
    up.cancel()
    for _, writer in (tool, proxy):
        writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(frames.CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
