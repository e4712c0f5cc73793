"""The private PostgreSQL cluster: made once, reached by a Unix socket only. Started and stopped by the supervisor."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Optional

from .errors import SetupError
from .home import Home, give_to
from .progress import Step
from .setup import Setup
from .shell import Word

BINARIES = Path("/usr/lib/postgresql")
DATABASE = "selfsmith"
OWNER_ROLE = "selfsmith_owner"  # owns the tables, migrates, may create the test database
APPLICATION_ROLE = "selfsmith_app"  # what the platform runs as: row level security binds it

# The sockets' folder lets in only the account that runs the cluster (and root), so `trust` trusts nobody else.
CONFIGURATION = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
max_connections = 200
shared_buffers = '128MB'
fsync = on
log_destination = 'stderr'
logging_collector = off
"""
ROLES = f"""\
SELECT 'CREATE ROLE {OWNER_ROLE} LOGIN CREATEDB' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER_ROLE}') \\gexec
SELECT 'CREATE ROLE {APPLICATION_ROLE} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') \\gexec
ALTER ROLE {APPLICATION_ROLE} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
ALTER ROLE {OWNER_ROLE} NOSUPERUSER NOBYPASSRLS NOCREATEROLE CREATEDB;
GRANT {APPLICATION_ROLE} TO {OWNER_ROLE};
SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
"""
# Set in the template as well, so that a test database that is made from it is like the real one.
PRIVILEGES = f"""\
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} IN SCHEMA public
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APPLICATION_ROLE};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} IN SCHEMA public
GRANT USAGE, SELECT ON SEQUENCES TO {APPLICATION_ROLE};
"""


def cluster_account() -> Optional[str]:
    """PostgreSQL refuses to run as root; an ordinary account runs it itself (None)."""
    return "postgres" if os.geteuid() == 0 else None


def binaries(home: Home, installed: Path = BINARIES) -> Path:
    """The folder of PostgreSQL's programs: of the version that made the cluster, else the newest.

    Raises: SetupError when that version is not installed (any more).
    """
    versions = sorted((place.parent.parent for place in installed.glob("*/bin/initdb")), key=lambda place: float(place.name))
    made_by = version_of_cluster(home)
    fitting = [place for place in versions if made_by in ("", place.name)]
    if not fitting:
        raise SetupError(
            f"The data in {home.postgres_data} is of PostgreSQL {made_by or 'unknown'}, which is not installed.",
            f"Install it: `apt-get install postgresql-{made_by}`.",
        )
    return fitting[-1] / "bin"


def version_of_cluster(home: Home) -> str:
    """The version that made the data, or nothing when there is no data yet. The folder is closed to ordinary accounts."""
    try:
        return (home.postgres_data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return ""


def prepare_cluster(setup: Setup, step: Step) -> None:
    """Makes the cluster when there is none, and writes its settings anew."""
    home, account = setup.home, cluster_account()
    is_new = not version_of_cluster(home)
    if is_new:
        shutil.rmtree(home.postgres_data, ignore_errors=True)  # what a start that was cut off left
        give_to(account, home.postgres_data, 0o700)
        initialise(setup, account)
    give_to(account, home.postgres_socket_folder, 0o700)
    (home.postgres_data / "selfsmith.conf").write_text(CONFIGURATION.format(sockets=home.postgres_socket_folder))
    (home.postgres_data / "selfsmith.conf").chmod(0o644)
    step.detail = f"PostgreSQL {version_of_cluster(home)}, {'made' if is_new else 'data kept'}"


def initialise(setup: Setup, account: Optional[str]) -> None:
    """Fills the data folder; PG_VERSION, by which it counts as made, is written by initdb early, hence the rename."""
    data = setup.home.postgres_data
    building = data.with_name("postgres.building")
    shutil.rmtree(building, ignore_errors=True)
    give_to(account, building, 0o700)
    command: list[Word] = [
        binaries(setup.home) / "initdb",
        "-D",
        building,
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
    ]
    as_account: list[Word] = ["runuser", "-u", account, "--"] if account else []
    setup.shell.run([*as_account, *command, "--locale=C.UTF-8"], doing="making the database cluster", directory=Path("/"))
    with open(building / "postgresql.conf", "a", encoding="utf-8") as settings:
        settings.write("\ninclude = 'selfsmith.conf'\n")
    shutil.rmtree(data)
    building.rename(data)


def server_command(home: Home) -> list[str]:
    """The server in the foreground, for the supervisor."""
    return [str(binaries(home) / "postgres"), "-D", str(home.postgres_data)]


def is_ready(setup: Setup) -> bool:
    """Whether the server takes connections."""
    asking: list[Word] = [
        binaries(setup.home) / "pg_isready",
        "--quiet",
        "--username=postgres",
        "--host",
        setup.home.postgres_socket_folder,
    ]
    return setup.shell.attempt(asking).ok


def prepare_roles(setup: Setup, step: Step) -> None:
    """Makes the two roles and the database, as far as they are missing."""
    psql(setup, "postgres", ROLES)
    for database in ("template1", DATABASE):
        psql(setup, database, PRIVILEGES)
    step.detail = f"{OWNER_ROLE}, {APPLICATION_ROLE}"


def psql(setup: Setup, database: str, statements: str) -> None:
    """Runs statements as the cluster's superuser, stopping at the first that fails."""
    setup.shell.run(
        [
            binaries(setup.home) / "psql",
            *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--username=postgres"),
            *("--host", setup.home.postgres_socket_folder, "--dbname", database),
        ],
        doing="preparing the database",
        text=statements,
    )
