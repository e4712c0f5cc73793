"""Many rows in seconds: copies that PostgreSQL makes of a row that the product wrote, by INSERT … SELECT generate_series.

What differs between the copies is said by expressions of `n`, which counts them from 1, and `s`, the row that is copied.
"""
# ruff: noqa: S608 (the names and numbers in these statements are this module's own)

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.processes.installation import Installation, connect_to

type Database = psycopg.Connection[tuple[Any, ...]]
COLUMNS = "SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
# As the product makes them (version 7): the clock first, so that the copies sort by their number. `first` numbers go before.
ID = "(lpad(to_hex({clock} + {first} + n), 12, '0') || '70008000' || lpad(to_hex({first} + n), 12, '0'))::uuid"
FUNCTIONS, VERSIONS, RUNS, LINES = "functions_function", "functions_functionversion", "runs_run", "runs_logchunk"
RULES = "triggers_rule"
RULES_ALIKE = 50  # as many as may wait for the same events
MILLISECONDS_A_YEAR = 365 * 24 * 3600 * 1000


@contextmanager
def filling(installation: Installation) -> Iterator[Database]:
    """A connection that sees every workspace, and what planners know brought up to date at the end."""
    with connect_to(installation.variables["SELFSMITH_DATABASE_NAME"], "selfsmith_owner") as database:
        database.execute("SELECT set_config('selfsmith.workspace', 'every', false)")
        yield database
        database.execute("VACUUM (ANALYZE)")


def fill_functions(database: Database, *, pattern: str, until: int) -> None:
    """Copies of the function `pattern` and its active version, until acme's library has this many."""
    ((function, version, workspace),) = database.execute(
        f"SELECT id, active_version_id, workspace_id FROM {FUNCTIONS} WHERE name = %s", [pattern]
    ).fetchall()
    there = _count(database, f"{FUNCTIONS} WHERE task_id IS NULL AND workspace_id = '{workspace}'")
    ids = {"first": there, "clock": _clock(database)}
    copied, copied_version = ID.format(**ids), ID.format(**{**ids, "clock": ids["clock"] + MILLISECONDS_A_YEAR // 12})
    name = f"'filler_' || ({there} + n)"
    _copy(database, FUNCTIONS, function, until - there, id=copied, name=name, active_version_id="NULL")
    _copy(database, VERSIONS, version, until - there, id=copied_version, function_id=copied)
    database.execute(
        f"UPDATE {FUNCTIONS} f SET active_version_id = v.id FROM {VERSIONS} v"
        " WHERE v.function_id = f.id AND f.active_version_id IS NULL AND f.name LIKE 'filler%'"
    )


def fill_runs(database: Database, *, pattern: str, until: int) -> None:
    """Copies of an ended run, spread over a year; every second is of the pattern's function, the others of all in turn.

    One in ten has failed.
    """
    there = _count(database, RUNS)
    functions = _number(database, f"SELECT id, active_version_id FROM {FUNCTIONS} WHERE name LIKE 'filler%'")
    target = f"(SELECT {{}} FROM targets WHERE place = 1 + (n / 2) % {functions})"
    at = f"now() - interval '1 year' * ({until} - n) / {until}"
    _copy(
        database, RUNS, pattern, until - there,
        id=ID.format(first=there, clock=_clock(database)),
        function_id=f"CASE WHEN n % 2 = 0 THEN s.function_id ELSE {target.format('id')} END",
        version_id=f"CASE WHEN n % 2 = 0 THEN s.version_id ELSE {target.format('active_version_id')} END",
        state="CASE WHEN n % 20 IN (0, 11) THEN 'failed' ELSE 'succeeded' END",
        created_at=at, started_at=at, finished_at=at,
    )  # fmt: skip


def fill_rules(database: Database, *, pattern: str, until: int) -> None:
    """Copies of a rule, all of them on: fifty wait for each type of event, and each runs one of the filled functions."""
    there = _count(database, RULES)
    functions = _number(database, f"SELECT id FROM {FUNCTIONS} WHERE name LIKE 'filler%'")
    _copy(
        database, RULES, pattern, until - there,
        id=ID.format(first=there, clock=_clock(database)),
        name=f"'filler ' || ({there} + n)",
        event_type=f"'filler.happened_' || (({there} + n) / {RULES_ALIKE})",
        target_id=f"(SELECT id FROM targets WHERE place = 1 + n % {functions})",
    )  # fmt: skip


def fill_lines(database: Database, *, run: str, until: int) -> None:
    """Copies of the run's first line: half of them in that run, the others in other runs in turn."""
    there, clock = _count(database, LINES), _clock(database)
    ((line, last),) = database.execute(
        f"SELECT (array_agg(id ORDER BY seq))[1], max(seq) FROM {LINES} WHERE run_id = %s", [run]
    ).fetchall()
    half = (until - there) // 2
    _copy(database, LINES, line, half, id=ID.format(first=there, clock=clock), seq=f"{last} + n")
    silent = f"NOT EXISTS (SELECT 1 FROM {LINES} l WHERE l.run_id = r.id)"
    runs = _number(database, f"SELECT id FROM {RUNS} r WHERE {silent}")
    _copy(
        database, LINES, line, until - there - half,
        id=ID.format(first=there + half, clock=clock),
        run_id=f"(SELECT id FROM targets WHERE place = 1 + (n - 1) % {runs})",
        seq=f"1 + (n - 1) / {runs}",
    )  # fmt: skip


def _number(database: Database, rows: str) -> int:
    """Put rows into the temporary table `targets` with a `place` from 1 on; how many there are."""
    database.execute("DROP TABLE IF EXISTS pg_temp.targets")
    database.execute(f"CREATE TEMPORARY TABLE targets AS SELECT row_number() OVER () AS place, r.* FROM ({rows}) r")
    database.execute("CREATE INDEX ON targets (place)")
    database.execute("ANALYZE targets")
    return _count(database, "targets")


def _copy(database: Database, table: str, pattern: object, number: int, **changed: str) -> None:
    columns = [name for (name,) in database.execute(COLUMNS, [table]).fetchall()]
    taken = ", ".join(changed.get(name, f"s.{name}") for name in columns)
    made = database.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {table} s, generate_series(1, {number}) n"
        f" WHERE s.id = '{pattern}'"
    )
    assert made.rowcount == max(0, number), f"{made.rowcount} rows instead of {number} are in {table}"


def _count(database: Database, rows: str) -> int:
    found: int = database.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
    return found


def _clock(database: Database) -> int:
    """A year ago, in milliseconds: what is made from now on sorts after the copies."""
    now: int = database.execute("SELECT (extract(epoch FROM now()) * 1000)::bigint").fetchall()[0][0]
    return now - MILLISECONDS_A_YEAR
