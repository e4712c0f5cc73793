"""The processes of an installation: what runs, as whom, and how it is asked to stop."""

from __future__ import annotations

from . import docker, postgres, redis
from .setup import Setup
from .supervise import Program


def programs(setup: Setup) -> list[Program]:
    """All that may run; which of them does is said by `Supervisor.start`."""
    python = str(setup.tool("python"))
    serve = ["-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(setup.port)]
    work = ["-m", "celery", "-A", "config", "worker", "--pool=threads", "--loglevel=INFO"]
    return [
        # INT is PostgreSQL's fast stop; TERM would wait for the last client.
        Program("postgres", postgres.server_command(setup.home), 10, postgres.cluster_account(), "INT", stop_seconds=30),
        Program("redis", redis.server_command(setup.home), 10, redis.server_account()),
        Program("docker", docker.own_engine_command(), 20, stop_seconds=20),
        Program("web", [python, *serve, "--no-access-log", "--timeout-graceful-shutdown", "3"], 50),
        Program("worker", [python, *work], 50, stop_seconds=20),
        Program("scheduler", [python, "manage.py", "run_scheduler"], 50),
    ]
