"""The processes of an installation: what runs, as whom, and how it is asked to stop."""

from __future__ import annotations

from . import docker, postgres, redis
from .setup import Setup
from .supervise import Program


def programs(setup: Setup) -> list[Program]:
    """All that may run; which of them does is said by `Supervisor.start`."""
    python = str(setup.tool("python"))
    return [
        *engines(setup),
        Program("docker", docker.own_engine_command(), 20, stop_seconds=20),
        *(Program(name, [python, *serve(port)], 50) for name, port in setup.ports.items()),
        *(Program(name, [python, *work(name)], 50, stop_seconds=setup.shape.stop_seconds) for name in setup.shape.workers),
        Program("scheduler", [python, "manage.py", "run_scheduler"], 50),
    ]


def engines(setup: Setup) -> list[Program]:
    """PostgreSQL and Redis, unless they are somebody else's."""
    started = []
    if "postgres" in setup.shape.engines:
        # INT is PostgreSQL's fast stop; TERM would wait for the last client.
        command = postgres.server_command(setup.home)
        started.append(Program("postgres", command, 10, postgres.cluster_account(), "INT", stop_seconds=30))
    if "redis" in setup.shape.engines:
        started.append(Program("redis", redis.server_command(setup.home), 10, redis.server_account()))
    return started


def serve(port: int) -> list[str]:
    """A web process; Python's arguments. Open sockets get three seconds, then their pages come back to another process."""
    address = ["--host", "127.0.0.1", "--port", str(port)]
    return ["-m", "uvicorn", "config.asgi:application", *address, "--no-access-log", "--timeout-graceful-shutdown", "3"]


def work(name: str) -> list[str]:
    """A worker; the name tells it from others of this machine where workers are asked who is there.

    Workers tell each other nothing: what they have in common is in the database.
    """
    silent = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return ["-m", "celery", "-A", "config", "worker", "--pool=threads", "--loglevel=INFO", f"--hostname={name}@%h", *silent]
