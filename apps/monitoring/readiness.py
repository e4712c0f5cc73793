"""Whether this process can serve: the database and Redis answer, and the tables are what the code expects."""

import logging
from functools import cache

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

log = logging.getLogger(__name__)
ANSWER_SECONDS = 1
OK = "ok"


def look() -> dict[str, str]:
    """Part → "ok" or what is wrong, in words that tell a stranger nothing; the reason goes into the log."""
    found = {"database": _database(), "redis": _redis()}
    found["migrations"] = _migrations() if found["database"] == OK else "unknown"
    return found


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.warning("ready.no_database error=%s", error)
        connection.close()
        return "unreachable"
    return OK


def _redis() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
        ) as client:
            client.ping()
    except redis.RedisError as error:
        log.warning("ready.no_redis error=%s", error)
        return "unreachable"
    return OK


def _migrations() -> str:
    if _are_applied():
        return OK
    _are_applied.cache_clear()  # only the good answer lasts: what is applied stays applied
    return "not applied"


@cache
def _are_applied() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
