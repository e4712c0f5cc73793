"""Whether PostgreSQL, Redis and the stored files are as the platform needs them, in words for the operator who brings them."""

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from apps.core import blobs
from apps.core.tenancy import every_workspace
from apps.runs.models import Artifact

ANSWER_SECONDS = 5
LATEST = 20  # files looked for: one that was lost is no sign of a wrong folder, all of them are
# A superuser, and a role that may, reads the rows of every workspace whatever the policies say.
IS_ABOVE_POLICIES = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
CLOSED_TABLE = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
AND NOT has_table_privilege(oid, 'SELECT') ORDER BY relname LIMIT 1
"""


def find_fault(*, has_tables: bool) -> str | None:
    """What is wrong for the database role of these settings, or None; without tables only what can be seen without them."""
    looks: list[Callable[[], str | None]] = [
        _find_in_role,
        _find_in_redis,
        *([_find_in_tables, _find_in_files] if has_tables else []),
    ]
    try:
        return next((fault for look in looks if (fault := look())), None)
    except DatabaseError as error:
        return f"{_database()} cannot be used by the role {_role()}: {_one_line(error)}"


def _find_in_role() -> str | None:
    if _first(IS_ABOVE_POLICIES):
        return f"{_database()} lets the role {_role()} pass by row level security: alter it, NOSUPERUSER NOBYPASSRLS."
    return None


def _find_in_tables() -> str | None:
    if table := _first(CLOSED_TABLE):
        return f"{_database()} does not let the role {_role()} read the table {table}: grant what deploy/roles.sql grants."
    return None


def _find_in_redis() -> str | None:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:  # ValueError: it is no address
        return f"The Redis of SELFSMITH_REDIS_URL cannot be used: {_one_line(error)}"
    return None


def _find_in_files() -> str | None:
    """On a further host the folder must be the same one; without it runs would end for want of their files."""
    with every_workspace(reason="an operator's check looks for files of every workspace and names none"):
        latest = list(Artifact.objects.order_by("-created_at").values_list("workspace_id", "sha256")[:LATEST])
    if latest and not any(blobs.is_stored(*each) for each in latest):
        return f"The files of this installation are not in {settings.HOME / 'blobs'}: mount there what its other hosts use."
    return None


def _first(statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        return row[0] if row else None


def _database() -> str:
    database = settings.DATABASES["default"]
    return f"The database {database['NAME']} at {database['HOST']}:{database['PORT']}"


def _role() -> str:
    return str(settings.DATABASES["default"]["USER"])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
