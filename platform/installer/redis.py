"""The private Redis: a Unix socket only, written to disk once a second. Started and stopped by the supervisor."""

from __future__ import annotations

import os
import socket
from typing import Optional

from .home import Home, give_to
from .setup import Setup
from .system import find_program

CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {data}
daemonize no
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""


def server_account() -> Optional[str]:
    """Run by root, Redis gets the account of its package; it needs nothing that root may do."""
    return "redis" if os.geteuid() == 0 else None


def prepare_server(setup: Setup) -> None:
    """Makes its folder and writes its settings anew."""
    give_to(server_account(), setup.home.redis_data, 0o700)
    settings = setup.home.redis_data / "redis.conf"
    settings.write_text(CONFIGURATION.format(socket=setup.home.redis_socket, data=setup.home.redis_data))
    settings.chmod(0o644)


def server_command(home: Home) -> list[str]:
    """The server in the foreground, for the supervisor."""
    return [find_program("redis-server") or "redis-server", str(home.redis_data / "redis.conf")]


def is_ready(home: Home) -> bool:
    """Whether it answers a PING (it does not while it still loads its data)."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(home.redis_socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
